"""What the integration tests share."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent / "fake"))


def pytest_configure(config):
    config.addinivalue_line("markers", "real: needs the lab's kube-apiserver and etcd "
                            "(contrib/lab prepare); make check leaves it out, tests/run does not")
    config.addinivalue_line("markers", "kills: every kill point; make check looks at a sample, "
                            "tests/run at all")
