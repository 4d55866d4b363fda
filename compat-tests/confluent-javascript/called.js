// The callback API as promises.
'use strict';

/** The result of `start(done)`, where `done(error, result)` is the library's callback. */
function called(start) {
  return new Promise((resolve, reject) => {
    start((error, result) => {
      if (error) {
        reject(error instanceof Error ? error : Object.assign(new Error(error.message ?? String(error)), { code: error.code ?? error }));
      } else {
        resolve(result);
      }
    });
  });
}

module.exports = { called };
