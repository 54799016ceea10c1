"""Start-up: `import tl_keras` and `tl-keras --help` against `import numpy`, in one run.

python benchmarks/start_up.py
"""

import statistics
import subprocess
import sys
import time

COMMANDS = {
    "import numpy": [sys.executable, "-c", "import numpy"],
    "import tl_keras": [sys.executable, "-c", "import tl_keras"],
    "tl-keras --help": [sys.executable, "-m", "tl_keras.cli.main", "--help"],
}


def main() -> None:
    times = {name: [] for name in COMMANDS}
    for turn in range(16):  # in turn, so that a drift of the machine meets all three alike
        for name, command in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            if turn:  # the first fills the file cache
                times[name].append(time.perf_counter() - began)
    base = statistics.median(times["import numpy"])
    for name, values in times.items():
        middle = statistics.median(values)
        print(f"{name:<16} {1000 * middle:6.0f} ms   {middle / base:.2f} x")


if __name__ == "__main__":
    main()
