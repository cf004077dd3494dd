"""Runs benchmark scripts and writes what they print into ``RESULTS.md``: a section for each command, with the machine.

A command that is run again replaces its own section and no other. One that fails leaves its section as it was, lets the
others run, and then fails the whole; one whose data is not there is skipped.

    python benchmarks/results.py --quick                            # every script, as `make bench` does
    python benchmarks/results.py peers.py --data DIR                # one at full size, beside its quick section
    python benchmarks/results.py flow_step.py peers.py --device cuda

Leading names are the scripts; where there is none, all that take what follows, which is passed on to them.
``--data`` is no part of a section's name unless it says "openml": a folder tells nothing of the figures.
"""

import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from itertools import takewhile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGES = ["skflow", "torch", "scikit-learn", "POT", "geomloss"]
NO_DATA = "No file "  # so begins the last word of a script that misses its data, see `_protocol.load_images`
INTRODUCTION = """# What the benchmarks print

Written by `benchmarks/results.py`; the name of a section is the command. `make bench` runs all with `--quick`: small
sizes, to see that they run, not to quote. Ratios within a table come from one run; sections may be of different days
and states of the code: the commit is the last one before the run that changed the package or the benchmarks.
"""


def scripts_in(folder):
    return sorted(path.name for path in folder.glob("[!_]*.py") if path.name != Path(__file__).name)


def takes(script, option):
    """Whether a script knows an option, by its source: quicker than to ask each for its ``--help``."""
    source = script.read_text()
    return option in source or (option == "--data" and "add_data_argument" in source)


def machine():
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        model = next(iter(re.findall(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())), model)
    gibibytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    accelerator = "none"
    if shutil.which("nvidia-smi"):
        query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        accelerator = subprocess.run(query, capture_output=True, text=True).stdout.strip().replace("\n", ", ") or "none"
    return f"{cores} cores, {model}, {gibibytes:.0f} GiB; accelerator: {accelerator}"


def versions():
    names = [f"Python {platform.python_version()}", *(f"{name} {metadata.version(name)}" for name in PACKAGES)]
    return ", ".join(names + ([f"commit {commit()}"] if commit() else []))


def commit():
    """The last one that changed the code, with a plus where there are changes on top; nothing outside of a checkout."""
    code = ["--", "skflow", ":(glob)benchmarks/*.py"]
    if not shutil.which("git"):
        return ""

    def git(*words):
        done = subprocess.run(["git", *words, *code], cwd=HERE.parent, capture_output=True, text=True)
        return done.stdout.strip()

    return git("log", "-1", "--format=%h") + ("+" if git("status", "--porcelain") else "")


def run(command):
    """Exit status, standard output, last line of the standard error, which is shown as it comes."""
    last = ""
    with (
        tempfile.TemporaryFile("w+") as output,
        subprocess.Popen(command, stdout=output, stderr=subprocess.PIPE, text=True) as child,
    ):
        for line in child.stderr:
            sys.stderr.write(line)
            last = line.strip() or last
        status = child.wait()
        output.seek(0)
        return status, output.read(), last


def read_sections(path):
    """Titles and what follows them, up to the next."""
    text = path.read_text() if path.exists() else ""
    return dict(re.findall(r"^## `(.+?)`\n(.*?)(?=^## `|\Z)", text, flags=re.MULTILINE | re.DOTALL))


def write_section(path, title, body):
    """Put it in the place of the one of this title; the others stay. Whole or not at all."""
    sections = read_sections(path) | {title: f"\n{body.strip()}\n\n"}
    text = INTRODUCTION + contents(sections) + devices(path.parent, sections)
    text += "".join(f"\n## `{title}`\n{sections[title].rstrip()}\n" for title in sorted(sections))
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def contents(sections):
    """When each was measured, and on which code."""
    rows = ["\n| section | measured | commit |", "| ------- | -------- | ------ |"]
    for title in sorted(sections):
        date = re.search(r"^\d{4}-\d\d-\d\d", sections[title], flags=re.MULTILINE)
        code = re.search(r", commit (\w+\+?)\.$", sections[title], flags=re.MULTILINE)
        rows.append(f"| `{title}` | {date[0] if date else ''} | {code[1] if code else 'earlier, not run again'} |")
    return "\n".join(rows) + "\n"


def devices(folder, sections):
    """Which of the scripts that can run on a GPU have done so."""
    rows = ["\n| can run on a GPU | measured there |", "| ---------------- | -------------- |"]
    for name in scripts_in(folder):
        if takes(folder / name, "--device"):
            measured = [title for title in sections if title.startswith(name) and "--device cuda" in title]
            rows.append(f"| `{name}` | {', '.join(f'`{title}`' for title in sorted(measured)) or 'not measured'} |")
    return "\n".join(rows) + "\n" if len(rows) > 2 else ""


def split_data(arguments):
    """The folder or source of the data, if any, and the other arguments."""
    words = [word for a in arguments for word in (a.split("=", 1) if a.startswith("--data=") else [a])]
    if "--data" not in words:
        return None, words
    at = words.index("--data")
    return words[at + 1], words[:at] + words[at + 2 :]


def main(argv, folder=HERE):
    if argv[:1] in (["-h"], ["--help"]):
        return print(__doc__)
    named = [Path(name).name for name in takewhile(lambda word: word.endswith(".py"), argv)]
    data, arguments = split_data(argv[len(named) :])
    absent = [name for name in named if name not in scripts_in(folder)]
    if absent:
        raise SystemExit(f"No benchmark {', '.join(absent)}; there are {', '.join(scripts_in(folder))}.")
    failed = []
    for name in named or scripts_in(folder):
        script = folder / name
        unknown = [word for word in arguments if word.startswith("--") and not takes(script, word.partition("=")[0])]
        if unknown and not named:
            print(f"== {name}: skipped, it takes no {', '.join(unknown)}", flush=True)
            continue
        given = ["--data", data] if data and takes(script, "--data") else []
        title = shlex.join([name, *arguments, *(given if data == "openml" else [])])
        print(f"== {title}", flush=True)
        date, load, start = time.strftime("%Y-%m-%d", time.gmtime()), os.getloadavg()[0], time.perf_counter()
        status, output, last = run([sys.executable, str(script), *arguments, *given])
        print(output, flush=True)
        if status and last.startswith(NO_DATA):
            print(f"== {title}: skipped: {last}", flush=True)
        elif status:
            failed.append(title)
            print(f"== {title}: FAILED with {status}: {last}", flush=True)
        else:
            took = f"{time.perf_counter() - start:.0f} s, load of the machine {load:.1f} at the start"
            output = re.sub(r"^##? ", "### ", output, flags=re.MULTILINE)  # titles of this level are ours
            write_section(folder / "RESULTS.md", title, f"{date}; {machine()}; {took}.\n{versions()}.\n\n{output}")
    if failed:
        raise SystemExit(f"Failed, and not written: {', '.join(failed)}.")


if __name__ == "__main__":
    main(sys.argv[1:])
