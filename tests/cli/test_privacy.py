"""Commands write nothing into the home folder and send nothing to anybody."""

import os
import subprocess
import sys

OFF = {"CI", "ORT_DISABLE_TELEMETRY"}  # each of them turns the telemetry of ONNX Runtime off


def test_a_command_leaves_nothing_in_the_home_folder(tmp_path, photo):
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    home.mkdir()
    temporary.mkdir()
    environment = {name: value for name, value in os.environ.items() if name not in OFF}
    environment |= {"HOME": str(home), "USERPROFILE": str(home), "TMPDIR": str(temporary)}
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        environment.pop(name, None)
    command = [sys.executable, "-m", "vqcodec", "compress", photo, "-o", "small.vqc"]
    subprocess.run(command, env=environment, cwd=tmp_path, check=True, capture_output=True)
    assert not list(home.rglob("*"))
    assert not list(temporary.rglob("*"))
