"""What somebody who reads a measurement has to know about it before the figures: in words, most important first."""

from runtime.monitoring.latency import MIN_SAMPLES
from runtime.profiling.host_watch import Disturbance
from runtime.profiling.report import ProfileReport, ProfileRun

BUSY_SHARE = 0.25
"""Share of the usable CPUs that others may take before it is said."""
STOLEN_SHARE = 0.01
DRIFT = 0.05
"""Change from the first half to the second that is said."""


def remarks(report: ProfileReport, run: ProfileRun) -> list[str]:
    """Whatever makes a run's figures less than what they look like; empty where nothing does."""
    said = []
    if not run.is_its_device:
        said.append(f"This machine is not the profile's device: {run.name} is made for {run.match}.")
    if not run.verified:
        said.append("The profile was never verified on its device.")
    said += conditions(run, report.host.usable_threads)
    total = run.reader.stages.get("total")
    if total is not None and (missing := [share for share, least in MIN_SAMPLES.items() if total.count < least]):
        names = ", ".join(f"p{round(100 * share)}" for share in missing)
        said.append(f"Too few samples for {names} of the reader: {total.count}; they are not printed.")
    if run.single_stream is not None and not run.single_stream.is_valid_duration:
        said.append("The single-stream figure is of a run shorter than MLPerf's rules ask for.")
    return said


def conditions(run: ProfileRun, usable_threads: int) -> list[str]:
    """Under which conditions of the machine a run was measured, where they make a difference."""
    said = []
    parts = [("reader", run.reader.disturbance)]
    parts += [("stream", run.stream.disturbance)] if run.stream is not None else []
    for name, disturbance in parts:
        said += [f"{name.capitalize()}: {text}" for text in _disturbances(disturbance, usable_threads)]
    if run.reader.drift is not None and abs(run.reader.drift.ratio - 1) > DRIFT:
        drift = run.reader.drift
        said.append(
            f"The same pictures took {drift.ratio:.2f} times as long in the second half as in the first"
            f" ({drift.pairs} pictures): heat, clocks or other work."
        )
    return said


def _disturbances(disturbance: Disturbance, usable_threads: int) -> list[str]:
    said = []
    if (disturbance.others_cores or 0.0) > BUSY_SHARE * usable_threads:
        said.append(f"other processes kept {disturbance.others_cores:.1f} cores busy; not a quiet machine.")
    if (disturbance.stolen_share or 0.0) > STOLEN_SHARE:
        said.append(f"the hypervisor gave {disturbance.stolen_share:.0%} of the CPUs' time to others.")
    if disturbance.throttled_s:
        said.append(f"the control group's quota held us back for {disturbance.throttled_s:.1f} s.")
    if disturbance.hot_throttles:
        said.append(f"cores slowed down because of heat {disturbance.hot_throttles} times.")
    return said
