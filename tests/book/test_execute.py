"""Notebooks run in processes that can be stopped, and a failure leaves nothing that looks like a result."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import psutil
import pytest

from book.tools.execute import ExecutionError, execute, for_static_page
from book.tools.notebook import WIDGET_MIMES, read_notebook

PARAMETERS = ("PROFILE = 'book'\nSHOTS: int = 16", "parameters")


def write_notebook(path: Path, *cells: str | tuple[str, str]) -> Path:
    """A notebook of code cells; a pair is a cell and its tag."""
    path.parent.mkdir(parents=True, exist_ok=True)
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    for number, cell in enumerate(cells):
        source, tag = (cell, "") if isinstance(cell, str) else cell
        metadata = {"tags": [tag]} if tag else {}
        notebook.cells.append(nbformat.v4.new_code_cell(source, metadata=metadata, id=f"cell-{number}"))
    nbformat.write(notebook, path)
    return path


def test_an_executed_copy_is_ready_for_a_static_page(tmp_path: Path) -> None:
    said = "import os; print(PROFILE, SHOTS, os.environ['MARK'], os.path.basename(os.getcwd()))"
    source = write_notebook(tmp_path / "in" / "a.ipynb", PARAMETERS, said)
    before = source.read_bytes()
    run = execute(source, tmp_path / "out" / "a.ipynb", values={"PROFILE": "smoke"}, environment={"MARK": "here"})
    executed = read_notebook(tmp_path / "out" / "a.ipynb")
    assert executed.cells[-1].outputs[0].text == "smoke 16 here out\n"
    assert "remove-cell" in executed.cells[1].metadata.tags
    assert str(tmp_path) not in (tmp_path / "out" / "a.ipynb").read_text()
    assert run.attempts == 1 and run.seconds > 0
    assert source.read_bytes() == before


def test_an_unknown_parameter_is_refused_before_anything_runs(tmp_path: Path) -> None:
    source = write_notebook(tmp_path / "a.ipynb", PARAMETERS)
    with pytest.raises(ExecutionError, match="no parameter SHOT;.*PROFILE, SHOTS"):
        execute(source, tmp_path / "out.ipynb", values={"SHOT": "1"})
    assert not (tmp_path / "out.ipynb").exists()


def test_an_error_in_a_cell_is_told_and_the_copy_is_put_aside(tmp_path: Path) -> None:
    counter = tmp_path / "runs"
    source = write_notebook(
        tmp_path / "a.ipynb", f"open({str(counter)!r}, 'a').write('x')", "# first\nraise ValueError('no images')"
    )
    with pytest.raises(ExecutionError, match="`# first` raised ValueError: no images.*failed/a.ipynb"):
        execute(source, tmp_path / "out" / "a.ipynb", failed=tmp_path / "failed")
    assert not (tmp_path / "out" / "a.ipynb").exists()
    assert (tmp_path / "failed" / "a.ipynb").is_file() and (tmp_path / "failed" / "a.ipynb.log").is_file()
    assert counter.read_text() == "x", "an error of a cell comes back: trying again only costs time"


def test_a_bare_plotly_figure_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    source = write_notebook(tmp_path / "a.ipynb", "import plotly.graph_objects as go\ngo.Figure()")
    with pytest.raises(ExecutionError, match=r"plotly figure.*show\(fig, alt=...\)"):
        execute(source, tmp_path / "out.ipynb")


def test_a_hanging_kernel_is_killed_with_its_children_and_tried_again(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    hang = f"""import os, subprocess, time
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
with open({str(pids)!r}, "a") as stream:
    stream.write(f"{{os.getpid()}} {{child.pid}} ")
time.sleep(600)"""
    source = write_notebook(tmp_path / "a.ipynb", hang)
    with pytest.raises(ExecutionError, match="each of 2 attempts: it used no processor time for 5 seconds"):
        execute(source, tmp_path / "out.ipynb", stall=5, retries=1)
    started = [int(pid) for pid in pids.read_text().split()]
    assert len(started) in (2, 4), "each attempt that came so far started a kernel and its child"
    assert not any(_alive(pid) for pid in started)


def test_a_cell_that_never_ends_is_stopped_by_the_time_it_computed(tmp_path: Path) -> None:
    source = write_notebook(tmp_path / "a.ipynb", "while True:\n    pass")
    with pytest.raises(ExecutionError, match="still running after 8 seconds of processor time"):
        execute(source, tmp_path / "out.ipynb", limit=8, retries=0)


def test_time_on_the_clock_alone_stops_nothing(tmp_path: Path) -> None:
    wait = "import time\nfor _ in range(12):\n    time.sleep(1)\n    sum(range(20_000_000))"
    run = execute(write_notebook(tmp_path / "a.ipynb", wait), tmp_path / "out.ipynb", stall=6, retries=0)
    assert run.seconds > 12


def test_a_crash_is_tried_again_and_can_succeed(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    crash = f"""import os, pathlib
mark = pathlib.Path({str(mark)!r})
if not mark.exists():
    mark.touch()
    os._exit(9)
print("second time")"""
    run = execute(write_notebook(tmp_path / "a.ipynb", crash), tmp_path / "out.ipynb", limit=120, retries=1)
    assert run.attempts == 2
    assert read_notebook(tmp_path / "out.ipynb").cells[-1].outputs[0].text == "second time\n"


def test_widgets_leave_no_trace_in_a_static_page() -> None:
    cell = nbformat.v4.new_code_cell("slider")
    cell.outputs = [
        nbformat.v4.new_output("display_data", data={WIDGET_MIMES[0]: {"model_id": "1"}, "text/plain": "IntSlider"}),
        nbformat.v4.new_output("display_data", data={"text/plain": "kept"}),
    ]
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"widgets": {WIDGET_MIMES[1]: {"state": {}}}})
    page = for_static_page(notebook)
    assert "widgets" not in page.metadata
    assert [out.data["text/plain"] for out in page.cells[0].outputs] == ["kept"]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False
