"""The chain and the independent tasks for Luigi: one marker file per task, so that its worker
processes see what is done. The folder of the markers comes by MARKERS."""
import os
import subprocess

import luigi


class Step(luigi.Task):
    number = luigi.IntParameter()
    chained = luigi.BoolParameter()

    def requires(self):
        return [Step(self.number - 1, True)] if self.chained and self.number else []

    def output(self):
        return luigi.LocalTarget(os.path.join(os.environ["MARKERS"], str(self.number)))

    def run(self):
        subprocess.run(["/bin/true"], check=True)
        with open(self.output().path, "w", encoding="ascii"):
            pass


class Wide(luigi.WrapperTask):
    count = luigi.IntParameter()

    def requires(self):
        return [Step(number, False) for number in range(self.count)]
