"""A job's folder is looked at while the job works in it."""

from __future__ import annotations

import shutil
import threading

from localcloud.engines.sagemaker_checkpoint import CheckpointSync

LOOKS = 300


def test_a_job_may_remove_folders_while_its_checkpoints_are_looked_at(tmp_path):
    sync, over = CheckpointSync(tmp_path, "s3://jobs/checkpoints"), threading.Event()

    def work():
        while not over.is_set():
            for number in range(20):
                (tmp_path / f"trials/{number}/model/deep").mkdir(parents=True, exist_ok=True)
            shutil.rmtree(tmp_path / "trials")

    worker = threading.Thread(target=work)
    worker.start()
    try:
        assert [sync.push() for _ in range(LOOKS)] == [0] * LOOKS
    finally:
        over.set()
        worker.join()
