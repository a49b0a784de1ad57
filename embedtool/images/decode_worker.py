"""The worker process of `decode_process`: python -P -m embedtool.images.decode_worker."""

import faulthandler
import json
import sys
import warnings

from embedtool.core.own_process import claim_process
from embedtool.errors import ImageRejected
from embedtool.images.decode import run_task
from embedtool.images.decode_process import ANSWER, READY, REQUEST
from embedtool.images.decode_sandbox import restrict_process


def main() -> None:
    """Answer requests until there are no more."""
    claim_process()
    restrict_process()
    warnings.simplefilter("ignore")  # what is written here becomes part of a reject's reason
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    answers.write(READY)
    answers.flush()
    while head := requests.read(REQUEST.size):
        order_length, length, seconds = REQUEST.unpack(head)
        task, *arguments = json.loads(requests.read(order_length))
        data = requests.read(length)
        # Ends the process from a separate thread, whatever the decoder is doing.
        faulthandler.dump_traceback_later(seconds, exit=True)
        try:
            picture, answer = True, run_task(task, data, *arguments)
        except ImageRejected as reject:
            picture, answer = False, reject.reason.encode(errors="backslashreplace")
        faulthandler.cancel_dump_traceback_later()
        answers.write(ANSWER.pack(picture, len(answer)) + answer)
        answers.flush()


if __name__ == "__main__":
    main()
