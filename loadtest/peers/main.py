"""Compares Stillhouse with other servers on the same workloads: `loadtest/peers/run --help`, loadtest/peers/README.md."""

import argparse
import datetime
import functools
import json
import pathlib
import shlex
import subprocess
import sys

import catalogue
import install
import machine
import report
import results
from running import Failed, stop_at_the_end
from servers.peer import TARGET
from trial import Trial
from work import TITLES, Work

ROOT = TARGET.parent
RESULTS = TARGET / "peers" / "results.json"
REPORT = pathlib.Path(__file__).resolve().parent / "REPORT.md"


def arguments():
    def names(known):
        def read(text):
            found = text.split(",")
            if wrong := [name for name in found if name not in known]:
                raise argparse.ArgumentTypeError(f"there is no {', '.join(wrong)}; there are {', '.join(known)}")
            return found

        return read

    peers, works = catalogue.keys(), list(TITLES)
    parser = argparse.ArgumentParser(prog="loadtest/peers/run", description=__doc__.partition(":")[0])
    parser.add_argument("--peers", type=names(peers), default=peers, help=f"of {','.join(peers)} [default: all]")
    parser.add_argument("--works", type=names(works), default=works, help=f"of {','.join(works)} [default: all]")
    parser.add_argument("--rounds", type=int, default=3, help="every server is measured once per round [default: 3]")
    parser.add_argument("--seconds", type=int, default=5, help="duration of each load [default: 5]")
    parser.add_argument("--server", type=pathlib.Path, default=TARGET / "release" / "stillhouse")
    parser.add_argument("--loadtest", type=pathlib.Path, default=TARGET / "release" / "stillhouse-loadtest")
    parser.add_argument("--json", action="store_true", help="print the results as JSON instead of the report")
    parser.add_argument("--report", type=pathlib.Path, default=REPORT, help="path of the report")
    given = parser.parse_args()
    for program in (given.server, given.loadtest):
        if not program.is_file():
            parser.error(f"{program} is missing: run `cargo build --release --workspace`")
    if given.rounds < 1 or given.seconds < 1:
        parser.error("--rounds and --seconds: at least 1")
    return given


def say(text):
    """A progress line on a terminal; nothing elsewhere."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def print_progress(title, step):
    say(f"{title}: {step}")


def installed(peer):
    """Creates a peer's virtual environment and returns the report's entry about it."""
    about = {"title": peer.title, "how": peer.how, "replacing": peer.replacing}
    say(f"{peer.title}: install")
    try:
        if peer.requirements:
            install.venv(peer.venv, peer.requirements)
            return about | {
                "version": install.version(peer.venv, peer.package),
                "engine": install.version(peer.venv, "onnxruntime"),
                "installed_bytes": install.size_bytes(peer.venv),
            }
        parts = [peer.binary, *([pathlib.Path(peer.library)] if peer.library else [])]
        return about | {
            "version": peer.say("--version").split()[-1],
            "engine": peer.library and pathlib.Path(peer.library).name.partition(".so.")[2],
            "installed_bytes": install.size_bytes(*parts),
        }
    except Failed as failure:
        return about | {"error": str(failure)}


def measure(given, peers, about):
    """Measures every server with every workload in each round; every second round is reversed, so that no server is always first."""
    trials = []
    for round_ in range(given.rounds):
        for name in given.works:
            work = Work(name, install.WORKS / name)
            for peer in peers if round_ % 2 == 0 else reversed(peers):
                if "error" in about[peer.key]:
                    continue
                title = f"round {round_ + 1} of {given.rounds}, {name}, {peer.title}"
                folder = TARGET / "peers" / "run" / f"{peer.key}-{name}"
                progress = functools.partial(print_progress, title)
                found = Trial(peer, work, folder, given.loadtest.resolve(), given.seconds, progress).run()
                if "error" in found:
                    say("")
                    print(f"{title} failed: {found['error']}", file=sys.stderr)
                trials.append({"peer": peer.key, "work": name, "round": round_} | found)
    say("")
    return trials


def commit():
    git = ["git", "-C", ROOT, "rev-parse", "--short", "HEAD"]
    done = subprocess.run(git, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def main():
    given = arguments()
    stop_at_the_end()
    try:
        say("works: make")
        install.works()
    except Failed as failure:
        sys.exit(f"the workloads can't be made: {failure}")
    peers = catalogue.chosen(given.peers, given.server)
    about = {peer.key: installed(peer) for peer in peers}
    began = datetime.datetime.now(datetime.UTC)
    trials = measure(given, peers, about)
    found = {
        "schema": 1,
        "date": began.isoformat(timespec="seconds"),
        "minutes": round((datetime.datetime.now(datetime.UTC) - began).total_seconds() / 60, 1),
        "machine": machine.description(),
        "cores": machine.cores(),
        "commit": commit(),
        "command": shlex.join(["loadtest/peers/run", *sys.argv[1:]]),
        "rounds": given.rounds,
        "seconds": given.seconds,
        "works": given.works,
        "not_asked": [peer.title for peer in catalogue.PEERS if peer.key not in given.peers],
        "peers": about,
        "trials": trials,
    }
    RESULTS.write_text(json.dumps(found, indent=1))
    text = report.markdown(found | {"medians": results.medians(trials)})
    given.report.write_text(text)
    print(json.dumps(found, indent=1) if given.json else text)
    if any("error" in trial for trial in trials) or any("error" in each for each in about.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
