// One chain of draws, in a worker of its own.
"use strict";

self.onmessage = ({ data: { program, arrays, settings } }) => {
  try {
    self.postMessage({ result: (0, eval)(program)(arrays, settings) });
  } catch (error) {
    self.postMessage({ error: String(error.message || error) });
  }
};
