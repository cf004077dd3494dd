"""The writer of the benchmarks' tables: each command has its own section, and keeps it."""

import time

import pytest

results = pytest.importorskip("benchmarks.results", reason="a source distribution has no benchmarks")


@pytest.fixture
def folder(tmp_path):
    """Two benchmarks that print what `says` tells them, a helper that is none, and one without a quick size."""
    for name in ("first.py", "second.py"):
        (tmp_path / name).write_text(
            "# --quick --data --device\n"
            "import pathlib, sys\n"
            "exec((pathlib.Path(__file__).parent / 'says').read_text())\n"
        )
    (tmp_path / "_helper.py").write_text("raise SystemExit('never run')")
    (tmp_path / "slow.py").write_text("raise SystemExit('never run in haste')")
    return tmp_path


def bench(folder, says, *argv):
    (folder / "says").write_text(says)
    results.main(list(argv), folder)


def sections(folder):
    return results.read_sections(folder / "RESULTS.md")


def test_each_command_has_a_section(folder):
    bench(folder, "print('## a title of its own\\n| a table |')", "--quick")
    assert list(sections(folder)) == ["first.py --quick", "second.py --quick"]
    for body in sections(folder).values():
        assert "### a title of its own\n| a table |" in body
        assert "accelerator: " in body
        assert "torch " in body


def test_a_command_replaces_its_own_section_alone(folder):
    bench(folder, "print('quick and old')", "--quick")
    bench(folder, "print('full size')", "first.py")
    before = sections(folder)
    bench(folder, "print('quick and new')", "first.py", "--quick")
    after = sections(folder)
    assert "quick and new" in after["first.py --quick"]
    assert "old" not in after["first.py --quick"]
    assert {title: body for title, body in after.items() if title != "first.py --quick"} == {
        title: body for title, body in before.items() if title != "first.py --quick"
    }
    assert set(after) == {"first.py", "first.py --quick", "second.py --quick"}


def test_writing_again_changes_nothing_else(folder):
    bench(folder, "print('a\\n\\nb')", "--quick")
    before = (folder / "RESULTS.md").read_text()
    results.write_section(folder / "RESULTS.md", "second.py --quick", sections(folder)["second.py --quick"])
    assert (folder / "RESULTS.md").read_text() == before


def test_a_failure_keeps_the_old_section_and_lets_the_others_run(folder):
    bench(folder, "print('old')", "--quick")
    with pytest.raises(SystemExit, match="first.py --quick"):
        bench(folder, "print('new'); sys.exit(3 if 'first' in __file__ else 0)", "--quick")
    assert "old" in sections(folder)["first.py --quick"]
    assert "new" in sections(folder)["second.py --quick"]


def test_missing_data_is_no_failure(folder, capfd):
    bench(folder, "print('half a table'); raise SystemExit('No file mnist.npz in there.')", "first.py")
    assert "first.py: skipped: No file mnist.npz in there." in capfd.readouterr().out
    assert not sections(folder)


def test_options_go_to_those_that_take_them(folder, capfd):
    bench(folder, "print(sys.argv[1:])", "--quick", "--data", "a folder")
    assert "slow.py: skipped, it takes no --quick" in capfd.readouterr().out
    assert "['--quick', '--data', 'a folder']" in sections(folder)["first.py --quick"]
    bench(folder, "print(sys.argv[1:])", "first.py", "--data=openml", "--sizes", "500", "1000")
    assert set(sections(folder)) == {"first.py --quick", "second.py --quick", "first.py --sizes 500 1000 --data openml"}


def test_what_no_gpu_has_seen_is_not_measured(folder):
    bench(folder, "print()", "--quick")
    assert "| `first.py` | not measured |" in (folder / "RESULTS.md").read_text()
    bench(folder, "print()", "first.py", "--quick", "--device", "cuda")
    text = (folder / "RESULTS.md").read_text()
    assert "| `first.py` | `first.py --quick --device cuda` |" in text
    assert "| `second.py` | not measured |" in text


def test_sections_of_earlier_code_are_marked(folder, monkeypatch):
    monkeypatch.setattr(results, "commit", lambda: "")
    bench(folder, "print()", "--quick")
    monkeypatch.setattr(results, "commit", lambda: "abc1234+")
    bench(folder, "print()", "first.py", "--quick")
    text = (folder / "RESULTS.md").read_text()
    today = time.strftime("%Y-%m-%d", time.gmtime())
    assert f"| `first.py --quick` | {today} | abc1234+ |" in text
    assert f"| `second.py --quick` | {today} | earlier, not run again |" in text


def test_a_name_that_is_no_benchmark(folder):
    with pytest.raises(SystemExit, match="No benchmark third.py; there are first.py, second.py, slow.py"):
        results.main(["third.py"], folder)
