// The harness's remote control of the broker, BROKER_CTL: one line out, one line in.
'use strict';

const net = require('node:net');

const { same, within } = require('./expect');

// A real Kafka may take this long to stop and to start.
const CONTROL_MS = 120_000;

/** Asks for `restart` or `kill`; returns when the broker is ready again. */
async function control(verb) {
  const [host, port] = process.env.BROKER_CTL.split(':');
  const socket = net.createConnection({ host, port: Number(port) });
  try {
    const answered = new Promise((resolve, reject) => {
      let answer = '';
      socket.setEncoding('utf8');
      socket.on('data', text => { answer += text; });
      socket.on('end', () => resolve(answer.trim()));
      socket.on('error', reject);
    });
    socket.write(`${verb}\n`);
    same('ok', await within(answered, `${verb} of the broker`, CONTROL_MS), `${verb} of the broker`);
  } finally {
    socket.destroy();
  }
}

module.exports = { control };
