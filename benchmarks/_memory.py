"""Memory of this process, as Linux tells it."""

import threading


def status(field="VmRSS"):
    """A field of the process's status, in MiB: "VmRSS" (resident), "VmHWM" (its peak) or "RssAnon" (not of files)."""
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


class Watch:
    """Watches fields of the process's status; `peak` is the most, in MiB, by which each came to exceed what it was."""

    def __init__(self, *fields):
        self.fields = fields or ("VmRSS",)

    def __enter__(self):
        self.before = [status(field) for field in self.fields]
        self.peak, self._done = [0.0] * len(self.fields), threading.Event()
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()
        return self

    def _watch(self):
        while not self._done.wait(0.002):
            now = [status(field) - before for field, before in zip(self.fields, self.before, strict=True)]
            self.peak = [max(peak, grown) for peak, grown in zip(self.peak, now, strict=True)]

    def __exit__(self, *_):
        self._done.set()
        self._watcher.join()
