"""An RTSP server for tests, run by the system's Python: GStreamer's bindings come with Debian, not from PyPI.

Prints `ready`, and `resized` when its picture changes its size.
"""

import argparse
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

SIZES = ((320, 180), (640, 360))
ENCODER = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15"


def main() -> None:
    """Serve one stream at /cam until killed."""
    options = parse_options()
    Gst.init(None)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(f"( {pipeline(options)} )")
    factory.set_shared(True)
    if options.resize_after:
        factory.connect("media-configure", lambda _, media: resize_later(media, options))
    server = GstRtspServer.RTSPServer(address="127.0.0.1", service=str(options.port))
    if options.password:
        protect(server, factory, options.password)
    server.get_mount_points().add_factory("/cam", factory)
    if server.attach(None) == 0:
        sys.exit(f"port {options.port} is taken")
    say("ready")
    GLib.MainLoop().run()


def parse_options() -> argparse.Namespace:
    """What to serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--file", help="an MP4 with H.264 instead of a test picture")
    parser.add_argument("--loop", help="JPEGs instead, over and over: a folder with 00000.jpg, 00001.jpg, ...")
    parser.add_argument("--fps", type=int, default=30)
    parser.add_argument("--password", help="of the user `user`")
    parser.add_argument("--damage", type=float, default=0.0, help="share of bytes that are changed")
    parser.add_argument("--resize-after", type=float, help="seconds after which the picture grows")
    return parser.parse_args()


def pipeline(options: argparse.Namespace) -> str:
    """GStreamer's description of the stream."""
    payload = "h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96"
    if options.file:
        return f"filesrc location={options.file} ! qtdemux ! {payload}"
    if options.loop:
        pictures = f"multifilesrc location={options.loop}/%05d.jpg loop=true caps=image/jpeg,framerate={options.fps}/1"
        return f"{pictures} ! jpegdec ! videoconvert ! {ENCODER} ! {payload}"
    damage = f"breakmydata skip=20000 probability={options.damage} !" if options.damage else ""
    return (
        f"videotestsrc is-live=true pattern=ball ! capsfilter name=size caps={caps(SIZES[0], options.fps)} ! "
        f"{ENCODER} ! {damage} {payload}"
    )


def caps(size: tuple[int, int], fps: int) -> str:
    """A picture's size and rate as GStreamer writes them."""
    return f"video/x-raw,width={size[0]},height={size[1]},framerate={fps}/1"


def resize_later(media: GstRtspServer.RTSPMedia, options: argparse.Namespace) -> None:
    """Change the picture's size in mid-stream."""
    size = media.get_element().get_by_name("size")

    def resize() -> bool:
        size.set_property("caps", Gst.Caps.from_string(caps(SIZES[1], options.fps)))
        say("resized")
        return False

    GLib.timeout_add(int(1000 * options.resize_after), resize)


def protect(server: GstRtspServer.RTSPServer, factory: GstRtspServer.RTSPMediaFactory, password: str) -> None:
    """Let in nobody but `user`."""
    auth, token = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic("user", password), token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    for permission in ("media.factory.access", "media.factory.construct"):
        permissions.add_permission_for_role("viewer", permission, True)
    factory.set_permissions(permissions)


def say(word: str) -> None:
    """Tell the test."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
