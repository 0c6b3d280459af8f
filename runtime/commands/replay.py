"""`edge-ocr replay`: a recording as events, the same ones every time, compared with those of an earlier version."""

import argparse
import hashlib
import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_ocr.errors import ConfigError
from edge_ocr.profile import DeviceProfile, load_profile
from runtime.config.kiosk import DEFAULT_CAMERA, CameraConfig, load_kiosk
from runtime.events import TextEvent
from runtime.files import check_writable, write_file
from runtime.frame_loop import PageReader
from runtime.replay.golden import Golden, differences, load_golden, plain_event
from runtime.replay.replay import Replayed, replay, replay_profile
from runtime.rules.redaction import Redactor, load_key
from runtime.sources import open_source
from runtime.sources.spec import kind_of

PROFILE = "generic-cpu"
"""Unless another is named: not `auto`, which would choose by the machine."""

LoadReader = Callable[[str, DeviceProfile], PageReader]
"""Makes a reader from the name of a pack and a profile."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("clip", metavar="CLIP", help="a video file, or a folder of images (one a second)")
    parser.add_argument("--expect", type=Path, metavar="FILE", help="golden file: exit 1 if its events are others")
    parser.add_argument("--update", action="store_true", help="write the events into the file of --expect")
    parser.add_argument("--config", type=Path, metavar="FILE", help="kiosk.yaml: what holds for a camera")
    parser.add_argument("--camera", metavar="NAME", help="which camera of --config (default: the only one)")
    parser.add_argument("--profile", metavar="P", help=f"device profile: a name or a YAML file (default: {PROFILE})")
    parser.add_argument("--pack", metavar="P", help="model pack: a name or a folder (default: latin)")


def run(args: argparse.Namespace, *, load_reader: LoadReader | None = None) -> int:
    """Replay, and compare or print.

    Returns:
        0, or 1 when the events are not those expected.

    Raises:
        ConfigError: an option, the configuration or the golden file cannot be used.
        EdgeOcrError: the clip cannot be played or read.
    """
    if args.update and args.expect is None:
        raise ConfigError("--update: name the file to write with --expect")
    if args.update:
        check_writable(args.expect)
    golden = load_golden(args.expect) if args.expect is not None and not args.update else None
    pack, profile, name, camera = _settings(args)
    redactor = _redactor(args)
    digest = _digest(args.clip)
    _check_same_clip(golden, digest, args)
    reader = (load_reader or _load_reader)(pack, replay_profile(profile))
    started_s = time.monotonic()
    on_event = _ignore if args.expect is not None else _print
    with _told_once():
        replayed = replay(open_source(args.clip), reader, camera, name=name, redactor=redactor, on_event=on_event)
    _say(_summary(replayed, time.monotonic() - started_s))
    events = tuple(plain_event(event) for event in replayed.events)
    if args.update:
        about = {"clip": Path(args.clip).name, "sha256": digest, "pack": reader.pack.name, "profile": profile.name}
        write_file(args.expect, Golden({**about, "frames": replayed.n_frames}, events).to_bytes())
        _say(f"{args.expect}: written")
    return 0 if golden is None else _compare(golden, events, args.expect)


def _compare(golden: Golden, events: tuple[dict[str, object], ...], path: Path) -> int:
    rows = differences(golden.events, events)
    sys.stdout.writelines(f"{row}\n" for row in rows)
    if not rows:
        _say(f"{path}: as expected")
        return 0
    _say(f"{path}: {len(rows)} differences; - did not come, + was not expected, ~ has other values; --update accepts")
    return 1


def _settings(args: argparse.Namespace) -> tuple[str, DeviceProfile, str, CameraConfig]:
    """Pack, profile, and the camera with its name, of the configuration and the options over it."""
    pack, profile, name = args.pack, args.profile, args.camera
    if args.config is None:
        if name is not None:
            raise ConfigError("--camera: goes with --config only")
        camera = CameraConfig(source=args.clip)
        return pack or "latin", load_profile(profile or PROFILE), DEFAULT_CAMERA, camera
    kiosk = load_kiosk(args.config)
    if name is None and len(kiosk.cameras) > 1:
        raise ConfigError(f"{args.config}: name one of its cameras with --camera: {', '.join(kiosk.cameras)}")
    name = name or next(iter(kiosk.cameras))
    if name not in kiosk.cameras:
        raise ConfigError(f"{args.config}: no camera {name!r}; there are {', '.join(kiosk.cameras)}")
    chosen = profile or (PROFILE if kiosk.profile == "auto" else kiosk.profile)
    return pack or kiosk.pack, load_profile(chosen), name, kiosk.cameras[name]


def _redactor(args: argparse.Namespace) -> Redactor:
    """With the device's key, where the configuration names one."""
    key_file = None if args.config is None else load_kiosk(args.config).redaction_key_file
    return Redactor(None if key_file is None else load_key(key_file))


def _digest(clip: str) -> str | None:
    """What tells a clip from another; None for a folder."""
    try:
        kind = kind_of(clip)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    if kind not in {"video", "images"}:
        raise ConfigError(f"{clip}: only a video file or a folder of images can be replayed")
    path = Path(clip)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _check_same_clip(golden: Golden | None, digest: str | None, args: argparse.Namespace) -> None:
    if golden is not None and golden.about.get("sha256") != digest:
        raise ConfigError(
            f"{args.expect}: was made from another clip ({golden.about.get('clip')}); --update makes it anew"
        )


def _load_reader(pack: str, profile: DeviceProfile) -> PageReader:
    from edge_ocr import Reader

    return Reader(pack=pack, profile=profile)


@contextmanager
def _told_once() -> Iterator[None]:
    """A clip that cannot be played is an error of ours: the capture does not warn of it as well."""
    log = logging.getLogger("runtime.capture.status")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


def _summary(replayed: Replayed, wall_s: float) -> str:
    times = replayed.duration_s / max(wall_s, 1e-6)
    return (
        f"{len(replayed.events)} events from {replayed.n_frames} frames, {replayed.duration_s:.1f} s in {wall_s:.1f} s "
        f"({times:.1f} times real time)"
    )


def _print(event: TextEvent) -> None:
    sys.stdout.write(json.dumps(plain_event(event), ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _ignore(event: TextEvent) -> None:
    return


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
