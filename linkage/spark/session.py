"""The one Spark session of a process: offline, without a page of its own, quiet.

Reads: the environment (JAVA_HOME, PYSPARK_PYTHON). Writes nothing.

Everything that a cluster decides (memory, cores, queues) is left to its own configuration; here stands only what the
result or the way of working needs. On `local` masters the workers run the Python and the code of the driver.
"""

from __future__ import annotations

import os
import shutil
import sys
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from rules.errors import RefusedError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOCAL = "local[*]"
BATCH = 1 << 16  # records or pairs in one Arrow batch
JAVA = ("*java-17*", "*jdk-17*", "*java-21*", "*jdk-21*")  # what Spark 4 is built for, under JAVA_HOMES
JAVA_HOMES = Path("/usr/lib/jvm")
PACKAGE = Path(__file__).parents[2]
SETTINGS = {
    "spark.app.name": "shuyuan",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.execution.arrow.maxRecordsPerBatch": str(BATCH),
    # Any other limit is asked for after every row, by adding up all columns.
    "spark.sql.execution.arrow.maxBytesPerBatch": str((1 << 31) - 1),
    "spark.sql.execution.pythonUDF.arrow.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.adaptive.enabled": "true",
}


def missing() -> str | None:
    """What is not there to run Spark, None where all is."""
    if find_spec("pyspark") is None:
        return "pyspark is not installed; pip install 'shuyuan[spark]'"
    if java_home() is None and shutil.which("java") is None:
        return "there is no Java; install Java 17 (Debian: openjdk-17-jre-headless) or set JAVA_HOME"
    return None


def java_home() -> Path | None:
    """The Java to run: JAVA_HOME where that is set, else one of a release that Spark is built for."""
    if said := os.environ.get("JAVA_HOME"):
        return Path(said)
    found = [home for pattern in JAVA for home in sorted(JAVA_HOMES.glob(pattern)) if (home / "bin/java").exists()]
    return found[0] if found else None


def session(master: str = LOCAL, settings: dict[str, str] | None = None) -> SparkSession:
    """The session of this process; `master` and `settings` count where none is running.

    Raises:
        RefusedError: pyspark or Java is missing.
    """
    if (lacking := missing()) is not None:
        raise RefusedError(f"the engine spark cannot run: {lacking}")
    from pyspark.sql import SparkSession

    running = SparkSession.getActiveSession()
    if running is not None:
        return running
    home = java_home()
    if home is not None:
        os.environ["JAVA_HOME"] = str(home)
    if master.startswith("local"):
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.master(master)
    for key, value in {
        **SETTINGS,
        **(_local(master) if master.startswith("local") else {}),
        **(settings or {}),
    }.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def _local(master: str) -> dict[str, str]:
    """Settings of a run on this machine alone."""
    log = files(__package__).joinpath("log4j2.properties")
    path = os.pathsep.join(filter(None, [str(PACKAGE), os.environ.get("PYTHONPATH", "")]))
    return {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile=file:{log} -XX:+UseSerialGC",
        "spark.executorEnv.PYTHONPATH": path,
        "spark.sql.shuffle.partitions": str(2 * (os.cpu_count() or 1)),
        "spark.sql.files.openCostInBytes": str(1 << 16),
    }
