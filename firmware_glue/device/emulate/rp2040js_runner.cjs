// SPDX-License-Identifier: Apache-2.0
// Runs a Raspberry Pi Pico's flash image in rp2040js, from the boot ROM's last step on, and carries
// the bytes of its line (UART0 or USB) to a local socket. One argument, JSON:
//   module     the folder of the package rp2040js
//   image      a file with the contents of flash, from its first byte on
//   line       where to listen for the line: a socket's path, or a TCP port
//   control    where to listen for commands, lines of one word: "reset", "count"; each is answered
//              with a line of JSON. When this connection ends, so does the runner.
//   port       "uart" or "usb"
//   paceBaud   0, or the bits per second at which bytes reach the UART, in the board's own time,
//              whether it takes them or not
'use strict';
const fs = require('fs');
const net = require('net');

const options = JSON.parse(process.argv[2]);
const { RP2040, USBCDC } = require(options.module);

const FLASH = 0x10000000;
const WATCHDOG = 0x40058000;
const BOOT2_AT = 0x20041f00; // RP2040 datasheet, 2.8.1.3: where the boot ROM copies the 256 bytes to
const BOOT2_STACK = 0x20042000;
const BATCH = 20000; // instructions between two looks at the sockets
const FEED_EVERY = 64; // instructions between two looks at what waits for the board
const NEAR_NS = 200000; // the core sleeps for so long at most without the host's time being waited for
const LONGEST_SLEEP_MS = 50;
const MOST_WAITING = 1 << 20; // bytes that a client may leave unread before the board stands still
const CDC_QUEUE = 512; // beyond it USBCDC drops bytes
const LOG_LINES = 20;

const image = fs.readFileSync(options.image);
let machine, watchdog, cdc, pendingRead, rebootReason, logged = 0;
let client = null;
let blocked = false, started = false, timer = null, scheduled = false;
let waiting = []; // buffers for the board
let at = 0; // in the first of them
let cycles = 0, instructions = 0, overruns = 0, boots = 0;
let paceAlarm = null;
let sent = []; // bytes from the board that wait for the end of the batch
let sleep = null; // since when the core sleeps: the board's time and the host's

function log(message) {
  if (logged++ < LOG_LINES) console.error(message);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}

// RP2040 datasheet, 2.8.1.3.1: CRC-32, most significant bit first, initial value and no final xor.
function checksum(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte << 24;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x80000000 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  }
  return crc >>> 0;
}

// What survives a watchdog's reset: RAM, and the watchdog's own words.
function boot(reason) {
  const before = machine;
  const watchdogBefore = watchdog;
  machine = new RP2040();
  watchdog = machine.findPeripheral(WATCHDOG);
  machine.logger = { debug() {}, info() {}, warn: quiet, error: (name, text) => log(`${name}: ${text}`) };
  machine.flash.set(image);
  if (before) {
    machine.sram.set(before.sram);
    watchdog.scratchData.set(watchdogBefore.scratchData);
    watchdog.reason = reason;
  }
  rebootReason = null;
  const mine = watchdog;
  watchdog.onWatchdogTrigger = () => {
    rebootReason = mine.reason;
    mine.alarm.enable = false; // it would go off again at once, for ever
  };
  machine.onBreak = (code) => log(`the program stopped at breakpoint ${code}`);
  const boot2 = machine.flash.subarray(0, 256);
  if (checksum(boot2.subarray(0, 252)) !== new DataView(machine.flash.buffer).getUint32(252, true)) {
    fail("the checksum of the second-stage boot loader is wrong: the boot ROM would not start it");
  }
  machine.sram.set(boot2, BOOT2_AT - 0x20000000);
  machine.core.SP = BOOT2_STACK;
  machine.core.LR = 0;
  machine.core.PC = BOOT2_AT;
  sleep = null;
  paceAlarm = null;
  boots++;
  connectPort();
  if (options.paceBaud && waiting.length) pace();
}

// Registers that rp2040js lacks are warned of; only an unknown instruction matters.
function quiet(name, text) {
  if (/not implemented yet|Opcode/.test(text)) log(`${name}: ${text}`);
}

function connectPort() {
  if (options.port === 'uart') {
    cdc = null;
    machine.uart[0].onByte = (byte) => sent.push(byte);
    return;
  }
  cdc = new USBCDC(machine.usbCtrl);
  cdc.onSerialData = (bytes) => { for (const byte of bytes) sent.push(byte); };
  // USBCDC answers each read at once, an empty one too: a board that waits would never sleep. A real
  // host's bytes come when there are some.
  const answer = machine.usbCtrl.onEndpointRead;
  pendingRead = null;
  machine.usbCtrl.onEndpointRead = (endpoint, size) => {
    if (endpoint === cdc.outEndpoint && cdc.txFIFO.empty) pendingRead = () => answer(endpoint, size);
    else answer(endpoint, size);
  };
}

function takeByte() {
  const byte = waiting[0][at++];
  if (at === waiting[0].length) {
    waiting.shift();
    at = 0;
  }
  return byte;
}

// Gives the board what its port has room for.
function feed() {
  if (options.paceBaud) return;
  if (options.port === 'uart') {
    const uart = machine.uart[0];
    while (waiting.length && !uart.rxFIFO.full) uart.feedByte(takeByte());
    return;
  }
  if (!cdc.initialized) return;
  while (waiting.length && cdc.txFIFO.itemCount < CDC_QUEUE) cdc.sendSerialByte(takeByte());
  if (pendingRead && !cdc.txFIFO.empty) {
    const read = pendingRead;
    pendingRead = null;
    read();
  }
}

// A byte each ten bits of the board's time, and lost where the UART's buffer is full.
function pace() {
  if (!paceAlarm) {
    const alarm = machine.clock.createAlarm(() => {
      if (!waiting.length) {
        paceAlarm = null;
        return;
      }
      const uart = machine.uart[0];
      if (uart.rxFIFO.full) {
        overruns++;
        takeByte();
      } else uart.feedByte(takeByte());
      alarm.schedule(1e10 / options.paceBaud);
    });
    paceAlarm = alarm;
    alarm.schedule(1e10 / options.paceBaud);
  }
}

function flush() {
  if (!sent.length) return;
  const bytes = Buffer.from(sent);
  sent = [];
  if (client && !client.destroyed) {
    client.write(bytes);
    blocked = client.writableLength > MOST_WAITING;
  }
}

// Where the board's time would be if it had gone with the host's since the core fell asleep.
function hostTime() {
  return sleep.board + Number(process.hrtime.bigint() - sleep.host);
}

// Before bytes are fed that came while the core slept.
function catchUp() {
  const { clock } = machine;
  const behind = hostTime() - clock.nanos;
  const near = clock.nextAlarm ? clock.nanosToNextAlarm : Infinity;
  if (behind > 0) clock.tick(Math.min(behind, near));
}

// Lets a sleeping core's time pass with the host's, and no faster; returns the milliseconds to wait
// for, 0 if the core is awake, or something near is to happen.
function doze() {
  const { core, clock } = machine;
  // rp2040js forgets interrupts that were pending when the core fell asleep.
  if (core.checkForInterrupts()) {
    core.waiting = false;
    sleep = null;
    return 0;
  }
  if (!sleep) sleep = { board: clock.nanos, host: process.hrtime.bigint() };
  const now = hostTime();
  const next = clock.nextAlarm ? clock.nanos + clock.nanosToNextAlarm : Infinity;
  if (next <= now || next - clock.nanos <= NEAR_NS) {
    clock.tick(Math.max(next - clock.nanos, 0));
    if (!core.waiting) sleep = null;
    return 0;
  }
  if (now > clock.nanos) clock.tick(now - clock.nanos);
  return Math.min(Math.max((next - now) / 1e6, 1), LONGEST_SLEEP_MS);
}

function schedule(milliseconds) {
  if (milliseconds) {
    timer = setTimeout(run, milliseconds);
  } else if (!scheduled) {
    scheduled = true;
    setImmediate(run);
  }
}

function wake() {
  if (timer) {
    clearTimeout(timer);
    timer = null;
  }
  if (started && !blocked) schedule(0);
}

function run() {
  scheduled = false;
  timer = null;
  let pause = 0;
  if (sleep) catchUp();
  for (let i = 0; i < BATCH && !pause; i++) {
    if ((i & (FEED_EVERY - 1)) === 0 && waiting.length) feed();
    if (rebootReason !== null) boot(rebootReason);
    if (machine.core.waiting) {
      pause = doze();
    } else {
      sleep = null;
      const took = machine.core.executeInstruction();
      cycles += took;
      instructions++;
      machine.clock.tick((took * 1e9) / machine.clkSys);
    }
  }
  flush();
  if (!blocked) schedule(pause);
}

function serveLine(socket) {
  if (client) client.destroy();
  client = socket;
  waiting = [];
  at = 0;
  blocked = false;
  socket.setNoDelay(true);
  socket.on('data', (bytes) => {
    waiting.push(bytes);
    if (options.paceBaud) pace();
    wake();
  });
  socket.on('drain', () => {
    blocked = false;
    wake();
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    if (client !== socket) return;
    client = null;
    blocked = false;
    wake();
  });
  if (!started) {
    started = true; // from the first client on: no byte of the greeting is lost
    boot(0);
  }
  wake();
}

function serveControl(socket) {
  let text = '';
  socket.on('error', () => {});
  socket.on('close', () => process.exit(0));
  socket.on('data', (bytes) => {
    text += bytes.toString('latin1');
    const lines = text.split('\n');
    text = lines.pop().slice(0, 80);
    for (const line of lines) socket.write(JSON.stringify(obey(line.trim())) + '\n');
  });
}

function obey(command) {
  if (command === 'count') {
    return { cycles, instructions, overruns, boots, clkSys: machine ? machine.clkSys : 0 };
  }
  if (command === 'reset') {
    if (machine) {
      rebootReason = 0; // as the pin RUN, and not the watchdog
      wake();
    }
    return {};
  }
  return { error: `unknown command '${command.slice(0, 20)}'` };
}

function listen(where, serve) {
  net.createServer(serve)
    .on('error', (error) => fail(String(error)))
    .listen(/^\d+$/.test(where) ? { port: +where, host: '127.0.0.1' } : { path: where });
}

process.on('uncaughtException', (error) => fail(error.stack || String(error)));
listen(options.line, serveLine);
listen(options.control, serveControl);
