"""`transform` of data larger than memory: block by block, each kind of container to its own kind."""

import gc
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from joblib import Parallel, delayed
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from skflow import OTDDFlowTransformer, _rowwise
from skflow.pushforward import TabularPushForward
from tests._data import PLAIN

X, y = make_blobs(90, centers=3, random_state=0)


class WatchedRegression(LinearRegression):
    """Remembers how many rows it was asked for at a time."""

    def predict(self, X):
        self.sizes_ = [*getattr(self, "sizes_", []), len(X)]
        return super().predict(X)


@pytest.fixture
def flow():
    return OTDDFlowTransformer((2 * X + 1, y), **PLAIN, pushforward=WatchedRegression(), random_state=0).fit(X, y)


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 20 rows."""
    monkeypatch.setattr(_rowwise, "BLOCK_BYTES", 8 * 2 * 20)


def mapped(path, array):
    np.save(path, array)
    return np.load(path, mmap_mode="r")


@pytest.mark.usefixtures("small_blocks")
class TestArrays:
    def test_go_by_blocks(self, flow):
        flow.pushforward_.sizes_ = []
        flow.transform(X)
        assert flow.pushforward_.sizes_ == [20, 20, 20, 20, 10]

    def test_blocks_do_not_show(self, flow, monkeypatch):
        by_blocks = flow.transform(X)
        monkeypatch.undo()
        assert_array_equal(flow.transform(X), by_blocks)

    def test_progress_bar_only_where_verbose(self, flow, capsys):
        flow.transform(X)
        assert capsys.readouterr().err == ""
        flow.set_params(verbose=1).transform(X)
        assert "90.0/90.0" in capsys.readouterr().err

    def test_no_progress_bar_for_a_single_block(self, flow, capsys):
        flow.set_params(verbose=1).transform(X[:20])
        assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("small_blocks")
class TestMemoryMaps:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_come_back_as_maps(self, flow, tmp_path, dtype):
        rows = mapped(tmp_path / "X.npy", X.astype(dtype))
        flow.pushforward_.sizes_ = []
        moved = flow.transform(rows)
        assert isinstance(moved, np.memmap)
        assert moved.dtype == dtype
        assert max(flow.pushforward_.sizes_) == 20
        assert_array_equal(moved, flow.transform(np.array(rows)))

    def test_of_integers_come_back_in_float64(self, flow, tmp_path):
        moved = flow.transform(mapped(tmp_path / "X.npy", (100 * X).astype(np.int16)))
        assert moved.dtype == np.float64
        assert_array_equal(moved, flow.transform((100 * X).astype(np.int16)))

    def test_in_fortran_order(self, flow, tmp_path):
        rows = mapped(tmp_path / "X.npy", np.asfortranarray(X))
        assert rows.flags.f_contiguous
        assert_array_equal(flow.transform(rows), flow.transform(X))

    def test_file_goes_with_the_last_array_on_it(self, flow, tmp_path):
        moved = flow.transform(mapped(tmp_path / "X.npy", X))
        path, part = Path(moved.filename), np.asarray(moved)[3:5]
        del moved
        gc.collect()
        assert path.exists()
        assert_allclose(part, flow.transform(X[3:5]))
        del part
        gc.collect()
        assert not path.exists()

    def test_go_to_joblibs_workers(self, flow, tmp_path):
        moved = flow.transform(mapped(tmp_path / "X.npy", X))
        assert Parallel(2, backend="loky")(delayed(np.sum)(moved) for _ in range(2)) == pytest.approx([moved.sum()] * 2)

    def test_values_are_checked_where_they_are_read(self, flow, tmp_path, monkeypatch):
        monkeypatch.setattr(_rowwise, "NamedTemporaryFile", lambda **kwargs: open_in(tmp_path, **kwargs))
        spoiled = X.copy()
        spoiled[70, 1] = np.nan
        with pytest.raises(ValueError, match="X contains NaN"):
            flow.transform(mapped(tmp_path / "X.npy", spoiled))
        assert [path.name for path in tmp_path.iterdir()] == ["X.npy"]

    def test_of_another_shape(self, flow, tmp_path):
        with pytest.raises(ValueError, match="expecting 2 features"):
            flow.transform(mapped(tmp_path / "X.npy", np.ones((5, 3))))
        with pytest.raises(ValueError, match="1D array"):
            flow.transform(mapped(tmp_path / "X.npy", np.ones(5)))
        with pytest.raises(ValueError, match="0 sample"):
            flow.transform(mapped(tmp_path / "X.npy", X)[:0])

    def test_with_a_frame_for_output(self, flow, tmp_path):
        rows = mapped(tmp_path / "X.npy", X)
        frame = flow.set_output(transform="pandas").transform(rows)
        assert isinstance(frame, pd.DataFrame)
        assert_array_equal(frame, flow.set_output(transform="default").transform(X))


def open_in(folder, **kwargs):
    from tempfile import NamedTemporaryFile

    return NamedTemporaryFile(dir=folder, **kwargs)


PEAK = """
import sys
import numpy as np
from sklearn.linear_model import LinearRegression
from skflow import OTDDFlowTransformer

def status(field):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))

rng = np.random.default_rng(0)
X, y = rng.normal(size=(200, 64)).astype("float32"), np.arange(200) % 4
flow = OTDDFlowTransformer((X + 1, y), pushforward=LinearRegression(), max_iter=5).fit(X, y)
flow.transform(X)
rows = np.load(sys.argv[1], mmap_mode="r")
with open("/proc/self/clear_refs", "w") as reset:
    reset.write("5")  # the high-water mark starts here
before = status("VmRSS")
flow.transform(rows)
print(status("VmHWM") - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_map(tmp_path):
    """Above the pages of the map itself, which are the system's to drop."""
    rows = np.lib.format.open_memmap(tmp_path / "X.npy", mode="w+", dtype="float32", shape=(200_000, 64))
    rows[:] = np.random.default_rng(0).normal(size=(1000, 64)).astype("float32")[np.arange(200_000) % 1000]
    rows.flush()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PEAK, tmp_path / "X.npy"], capture_output=True, text=True, check=True
    )
    size = rows.nbytes / 2**20
    assert float(done.stdout) - size < 0.8 * size  # the result alone, held in memory, would be as much again


@pytest.mark.usefixtures("small_blocks")
class TestIterators:
    def test_yield_block_by_block(self, flow):
        def blocks():
            for i in range(3):
                taken.append(i)
                yield X[30 * i : 30 * (i + 1)]

        taken = []
        moved = flow.transform(blocks())
        assert taken == []
        first = next(moved)
        assert taken == [0]
        assert_allclose(np.vstack([first, *moved]), flow.transform(X))

    def test_of_frames(self, tmp_path):
        frame = pd.DataFrame(X, columns=["width", "height"])
        flow = OTDDFlowTransformer((2 * X + 1, y), **PLAIN, pushforward=LinearRegression()).fit(frame, y)
        frame.to_csv(tmp_path / "X.csv", index=False)
        moved = flow.transform(pd.read_csv(tmp_path / "X.csv", chunksize=40))
        assert_allclose(np.vstack(list(moved)), flow.transform(frame))
        with pytest.raises(ValueError, match="feature names"):
            next(flow.transform(iter([frame[["height", "width"]]])))

    def test_every_block_is_checked(self, flow):
        moved = flow.transform(iter([X, np.full((2, 2), np.inf)]))
        next(moved)
        with pytest.raises(ValueError, match="X contains infinity"):
            next(moved)

    def test_progress_bar(self, flow, capsys):
        list(flow.set_params(verbose=1).transform(iter([X, X])))
        assert "180 rows" in capsys.readouterr().err

    def test_before_fit_raises_at_once(self):
        with pytest.raises(NotFittedError):
            OTDDFlowTransformer().transform(iter([X]))

    def test_frames_for_output_are_refused(self, flow):
        with pytest.raises(ValueError, match=r"set_output\(transform='pandas'\).*iterator"):
            flow.set_output(transform="pandas").transform(iter([X]))

    def test_through_a_pipeline_of_flows(self, flow):
        moved = make_pipeline(flow, flow).transform(iter([X[:50], X[50:]]))
        assert_allclose(np.vstack(list(moved)), flow.transform(flow.transform(X)))


class TestDask:
    @pytest.fixture(autouse=True)
    def _dask(self):
        self.da = pytest.importorskip("dask.array")

    @pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
    def test_is_what_numpy_gives(self, flow, dtype):
        rows = X.astype(dtype)
        moved = flow.transform(self.da.from_array(rows, chunks=(25, 2)))
        expected = flow.transform(rows)
        assert isinstance(moved, self.da.Array)
        assert moved.dtype == moved._meta.dtype == expected.dtype
        assert moved.chunks == ((25, 25, 25, 15), (2,))
        computed = moved.compute()
        assert computed.dtype == expected.dtype
        assert_allclose(computed, expected)

    def test_is_lazy(self, flow):
        rows = self.da.map_blocks(lambda block: 1 / 0, self.da.from_array(X, chunks=30), dtype=X.dtype, meta=X[:0])
        moved = flow.transform(rows)
        with pytest.raises(ZeroDivisionError):
            moved.compute()

    def test_later_fits_leave_it_alone(self, flow):
        moved, expected = flow.transform(self.da.from_array(X, chunks=(30, 2))), flow.transform(X)
        flow.set_params(target=(X - 100, y)).fit(X, y)
        assert_allclose(moved.compute(), expected)

    def test_chunks_along_the_columns(self, flow):
        assert_allclose(flow.transform(self.da.from_array(X, chunks=(25, 1))).compute(), flow.transform(X))

    def test_chunks_of_unknown_and_of_no_length(self, flow):
        rows = self.da.from_array(X[np.argsort(y)], chunks=(30, 2))
        far = rows[:, 0] > rows[:, 0].max() - 1e-9
        moved = flow.transform(rows[far])
        assert np.isnan(moved.shape[0])
        assert_allclose(moved.compute(), flow.transform(X[X[:, 0] > X[:, 0].max() - 1e-9]))

    def test_of_another_shape(self, flow):
        with pytest.raises(ValueError, match="expecting 2 features"):
            flow.transform(self.da.ones((5, 3)))
        with pytest.raises(ValueError, match="2D array, got a dask array of shape"):
            flow.transform(self.da.ones((5, 2, 2)))

    def test_values_are_checked_when_computed(self, flow):
        with pytest.raises(ValueError, match="contains NaN"):
            flow.transform(self.da.full((5, 2), np.nan)).compute()

    def test_frames_for_output_are_refused(self, flow):
        with pytest.raises(ValueError, match=r"set_output\(transform='pandas'\).*dask"):
            flow.set_output(transform="pandas").transform(self.da.ones((5, 2)))

    def test_through_a_pipeline_of_flows(self, flow):
        moved = make_pipeline(flow, flow).transform(self.da.from_array(X, chunks=(30, 2)))
        assert isinstance(moved, self.da.Array)
        assert_allclose(moved.compute(), flow.transform(flow.transform(X)))

    def test_built_in_pushforward_in_threads(self):
        flow = OTDDFlowTransformer((2 * X + 1, y), **PLAIN, pushforward=TabularPushForward(), random_state=0)
        flow.fit(X, y)
        moved = flow.transform(self.da.from_array(X, chunks=(10, 2)))
        assert_allclose(moved.compute(scheduler="threads", num_workers=4), flow.transform(X))

    def test_the_regressor_is_one_task(self, flow):
        """Else it would travel with every chunk."""
        graph = dict(flow.transform(self.da.from_array(X, chunks=(10, 2))).__dask_graph__())
        assert sum("LearntMap" in str(key) for key in graph) == 1
