"""An asyncio loop on a thread of its own, through which the features, which are not asynchronous, use an asynchronous client."""

import asyncio
import threading


class Loop:
    """Runs coroutines for other threads until it is closed."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda *_: None)  # what matters is raised by `run`
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine, seconds=None):
        """The coroutine's result or exception; at most `seconds`, then it is cancelled and `TimeoutError` raised."""
        return asyncio.run_coroutine_threadsafe(asyncio.wait_for(coroutine, seconds), self._loop).result()

    def close(self):
        """Ends the loop; what still runs in it is dropped."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
