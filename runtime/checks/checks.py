"""What `edge-ocr check` tries, one function each: it tells what it found, or raises what is wrong."""

import time

from edge_ocr.errors import ConfigError, EdgeOcrError, SourceError
from runtime.capture.status import STARTING
from runtime.config.kiosk import CameraConfig, KioskConfig
from runtime.config.listeners import PreviewConfig

FAST_SETS = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8")
"""The instruction sets that decide how fast reading is."""
FIRST_FRAME_S = 15.0
RATE_S = 2.0


def check_camera(name: str, camera: CameraConfig) -> str:
    """Open a camera the way `run` does, look at a frame, and see how many come.

    Raises:
        SourceError: it cannot be opened, or gives no frame in time.
    """
    from runtime.sources import open_source

    source = open_source(camera.source, ca_file=camera.ca_file)
    if source.is_live:
        return f"{source.description}: {_live(name, camera)}, policy {camera.effective_policy}"
    try:
        source.open()
        frame = source.read()
        if frame is None:
            raise SourceError(f"{source.description}: opened, but gave no frame")
        height, width = frame.image.shape[:2]
        _refuse_misplaced_zones(camera, width, height)
        rate = f" at {source.nominal_fps:g} fps" if source.nominal_fps else ""
        return f"{source.description}: {width} x {height}{rate}, policy {camera.effective_policy}"
    finally:
        source.close()


def _live(name: str, camera: CameraConfig) -> str:
    """A live source may hang: so it is read by what can leave it behind."""
    from runtime.appliance import open_configured_capture

    capture = open_configured_capture(name, camera, lambda state, reason: None)
    capture.start()
    try:
        until_s = time.monotonic() + FIRST_FRAME_S
        while (frame := capture.next_frame(0.2)) is None:
            if time.monotonic() > until_s or capture.reason not in {None, STARTING}:
                reason = None if capture.reason == STARTING else capture.reason
                raise SourceError(reason or f"no frame within {FIRST_FRAME_S:.0f} s; check that the camera works")
        until_s = time.monotonic() + RATE_S
        while (remaining_s := until_s - time.monotonic()) > 0:
            capture.next_frame(remaining_s)
        fps = capture.stats().fps
        height, width = frame.image.shape[:2]
        _refuse_misplaced_zones(camera, width, height)
        return f"{width} x {height}, {f'{fps:.1f}' if fps else 'fewer than 1'} frames a second"
    finally:
        capture.stop()


def _refuse_misplaced_zones(camera: CameraConfig, width: int, height: int) -> None:
    misplaced = camera.make_zones().misplaced(width, height)
    if misplaced:
        raise ConfigError(
            f"{width} x {height}, so it shows nothing of zone {', '.join(misplaced)}; zones are in pixels of the frame"
        )


def check_zones(config: KioskConfig) -> str:
    """Whether the zones' rules can be kept: the pack reads what they allow, the key is in order.

    Raises:
        ConfigError: they cannot.
    """
    from runtime.commands.run import check_charset
    from runtime.rules.redaction import read_key

    check_charset(config)
    n_zones = sum(len(camera.zones) for camera in config.cameras.values())
    found = f"{n_zones} zone{'s' if n_zones != 1 else ''}"
    path = config.redaction_key_file
    if path is None:
        return found
    if not path.exists():
        return f"{found}; {path} will be made at the first start"
    try:
        read_key(path)
    except OSError as error:
        raise ConfigError(f"redaction_key_file: {path}: {error.strerror}") from error
    return f"{found}; redaction key in order"


def check_broker(config: KioskConfig) -> str:
    """Connect with the configuration's credentials and publish a word.

    Raises:
        PublishError: no connection, no answer, or a refusal.
    """
    from runtime.checks.broker import probe_broker

    mqtt = config.mqtt
    found = probe_broker(mqtt, f"{mqtt.root}/{config.node}/check")
    as_whom = f"as {mqtt.username}" if mqtt.username else "without a user"
    return f"{mqtt.host}:{mqtt.port} accepts us {as_whom}{', over TLS' if mqtt.tls else ''}; {found}"


def check_models(pack_name: str, profile_name: str) -> str:
    """Check every hash of the pack, and whether it has the precisions that the profile wants.

    Raises:
        ModelError: a file is missing or not the one it was made with, or a precision is not there.
        ConfigError: there is no such profile.
    """
    from edge_ocr.pack import load_pack
    from edge_ocr.profile import load_profile

    pack = load_pack(pack_name)
    wanted = load_profile(profile_name).precision.model_dump()
    precisions = ", ".join(f"{network} {pack.choose(network, wanted[network])[1]}" for network in pack.networks)
    return f"{pack.name} {pack.version}, {len(pack.charset)} characters, all hashes right; {precisions}"


def check_profile(name: str) -> str:
    """Load the profile, and see whether this CPU is one it is for.

    Raises:
        ConfigError: there is no such profile, it is wrong, or it wants more threads than there are.
    """
    from edge_ocr.cpu import host_cpu
    from edge_ocr.profile import FALLBACK, load_profile, profile_matches

    profile, cpu = load_profile(name), host_cpu()
    if isinstance(profile.threads, int) and profile.threads > cpu.usable_threads:
        raise ConfigError(
            f"{profile.name}: threads {profile.threads}, but {cpu.usable_threads} usable here; write threads: auto"
        )
    notes = [] if profile.verified else ["never verified on its device"]
    if profile.name != FALLBACK and not profile_matches(profile, cpu):
        notes.append("made for another CPU than this; profile: auto takes one that fits")
    told = f" ({'; '.join(notes)})" if notes else ""
    return f"{profile.name}: {profile.description}{told}"


def check_cpu() -> str:
    """What there is to compute with."""
    from edge_ocr.cpu import host_cpu

    cpu = host_cpu()
    if "avx2" not in cpu.flags:
        sets = ", ".join(cpu.instruction_sets) or "none that matter"
        return f"{cpu.model}: no AVX2, so reading will be slow; instruction sets: {sets}"
    fast = [name for name in FAST_SETS if name in cpu.flags]
    quota = "" if cpu.cpu_quota is None else f", quota {cpu.cpu_quota:g}"
    return f"{cpu.model}: {', '.join(fast)}; {cpu.usable_threads} of {cpu.logical_cpus} logical CPUs usable{quota}"


def check_listen(listen: str, key: str) -> str:
    """Listen for a moment.

    Raises:
        EdgeOcrError: the address is taken or not ours; so it is while `run` runs with the same file.
    """
    from runtime.config.listeners import is_loopback, split_listen
    from runtime.monitoring.http_server import listen_on

    try:
        listen_on(listen, key).close()
    except EdgeOcrError as error:
        raise EdgeOcrError(f"{error}, or stop the edge-ocr that runs") from error
    whom = "this box only" if is_loopback(split_listen(listen)[0]) else "the network, unencrypted"
    return f"{listen} is free; for {whom}"


def check_preview(preview: PreviewConfig) -> str:
    """Read the token, if a file holds it, and listen for a moment.

    Raises:
        ConfigError: the file cannot be used.
        EdgeOcrError: the address is taken or not ours.
    """
    if preview.token_file is not None:
        from runtime.preview.access import read_token

        read_token(preview.token_file)
    return f"{check_listen(preview.listen, 'preview')}, {'without' if preview.open else 'with'} a token"
