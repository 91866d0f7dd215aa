// SPDX-License-Identifier: Apache-2.0
// A USB host for the RP2040 of rp2040js: asks what operating systems ask (after the traces that
// Linux's and Windows' enumerations leave: eight bytes of the device descriptor at address 0, a second
// reset, the address, descriptors, strings, the configuration, line coding, line state), refuses
// nothing, and prints what it heard as JSON. node usb_host.cjs FOLDER_OF_RP2040JS < flash.bin
'use strict';
const fs = require('fs');
const { RP2040 } = require(process.argv[2]);

const machine = new RP2040();
machine.logger = { debug() {}, info() {}, warn() {}, error() {} };
machine.flash.set(fs.readFileSync(0));
machine.sram.set(machine.flash.subarray(0, 256), 0x41f00);
machine.core.SP = 0x20042000;
machine.core.LR = 0;
machine.core.PC = 0x20041f00;

const usb = machine.usbCtrl;
const DPRAM = machine.usbDPRAMView;
const STALL = 1 << 11;
let events = [];
const toggles = { in: [], out: [] };
const control = (endpoint, out) => DPRAM.getUint32(0x80 + 8 * endpoint + (out ? 4 : 0), true);
usb.onUSBEnabled = () => events.push({ kind: 'enabled' });
usb.onResetReceived = () => events.push({ kind: 'reset' });
usb.onEndpointWrite = (endpoint, bytes) => events.push({ kind: 'in', endpoint, bytes: Buffer.from(bytes) });
usb.onEndpointRead = (endpoint, size) => events.push({ kind: 'out', endpoint, size });
// The toggles of the data endpoints, as the board sets them when it gives a buffer away.
const updated = usb.DPRAMUpdated.bind(usb);
usb.DPRAMUpdated = (offset, value) => {
  if (value & (1 << 10)) {
    if (offset === 0x90) toggles.in.push((value >> 13) & 1);
    if (offset === 0x94) toggles.out.push((value >> 13) & 1);
  }
  updated(offset, value);
};

function step() {
  const { core, clock } = machine;
  if (core.waiting && core.checkForInterrupts()) core.waiting = false;
  if (core.waiting) clock.tick(Math.max(1000, Math.min(clock.nanosToNextAlarm, 1e6)));
  else clock.tick((core.executeInstruction() * 1e9) / machine.clkSys);
}

function until(wanted, what, steps = 4000000) {
  for (let i = 0; i < steps; i++) {
    const at = events.findIndex(wanted);
    if (at >= 0) return events.splice(at, 1)[0];
    step();
  }
  throw new Error(`waited in vain for ${what}`);
}

function rest(steps = 3000) {
  for (let i = 0; i < steps; i++) step();
}

function busReset() {
  usb.sieStatus |= 1 << 19;
  usb.sieStatusUpdated();
  until((e) => e.kind === 'reset', 'the reset to be seen');
}

function setup(type, request, value, index, length) {
  events = events.filter((e) => e.endpoint !== 0);
  DPRAM.setUint32(0x80, 0, true);
  usb.sendSetupPacket(Uint8Array.from([type, request, value & 255, value >> 8, index & 255, index >> 8, length & 255, length >> 8]));
}

// A control transfer that reads; null where the board stalls.
function ask(type, request, value, index, length) {
  setup(type, request, value, index, length);
  let all = Buffer.alloc(0);
  for (;;) {
    let packet = null;
    for (let i = 0; i < 200000 && !packet; i++) {
      const at = events.findIndex((e) => e.kind === 'in' && e.endpoint === 0);
      if (at >= 0) packet = events.splice(at, 1)[0];
      else if (control(0, false) & STALL) return null;
      else step();
    }
    if (!packet) throw new Error(`no answer to ${type} ${request}`);
    all = Buffer.concat([all, packet.bytes]);
    if (packet.bytes.length < 64 || all.length >= length) break;
  }
  until((e) => e.kind === 'out' && e.endpoint === 0, 'the status stage to be offered');
  usb.finishRead(0, new Uint8Array(0));
  rest();
  return all;
}

// A control transfer that writes; false where the board stalls.
function tell(type, request, value, index, data = null) {
  setup(type, request, value, index, data ? data.length : 0);
  if (data) {
    until((e) => e.kind === 'out' && e.endpoint === 0, 'the data stage to be offered');
    usb.finishRead(0, Uint8Array.from(data));
  }
  for (let i = 0; i < 200000; i++) {
    const at = events.findIndex((e) => e.kind === 'in' && e.endpoint === 0);
    if (at >= 0) {
      if (events.splice(at, 1)[0].bytes.length) throw new Error('a status stage with bytes');
      rest();
      return true;
    }
    if (control(0, false) & STALL) return false;
    step();
  }
  throw new Error(`no status after ${type} ${request}`);
}

function sendBytes(bytes) {
  for (let at = 0; at < bytes.length; at += 64) {
    until((e) => e.kind === 'out' && e.endpoint === 2, 'room for a packet');
    usb.finishRead(2, Uint8Array.from(bytes.subarray(at, at + 64)));
  }
}

function hear(size) {
  let all = Buffer.alloc(0);
  let last = null;
  while (all.length < size) {
    last = until((e) => e.kind === 'in' && e.endpoint === 2, `${size} bytes, ${all.length} came`);
    all = Buffer.concat([all, last.bytes]);
  }
  return { all, last };
}

const heard = { stalled: [] };
const hex = (bytes) => bytes.toString('hex');
const refused = (answer, name) => { if (answer === null || answer === false) heard.stalled.push(name); };

until((e) => e.kind === 'enabled', 'the controller to be enabled');
rest(20000);
busReset();
heard.device_first_8 = hex(ask(0x80, 6, 0x0100, 0, 64).subarray(0, 8));
busReset();
tell(0x00, 5, 7, 0);
if ((usb.addrEndp & 0x7f) !== 7) throw new Error('the address was not taken');
heard.device = hex(ask(0x80, 6, 0x0100, 0, 18));
refused(ask(0x80, 6, 0x0600, 0, 10), 'device qualifier');
heard.configuration_first_9 = hex(ask(0x80, 6, 0x0200, 0, 9));
heard.configuration = hex(ask(0x80, 6, 0x0200, 0, 255));
heard.language = hex(ask(0x80, 6, 0x0300, 0, 255));
heard.manufacturer = hex(ask(0x80, 6, 0x0301, 0x0409, 255));
heard.product = hex(ask(0x80, 6, 0x0302, 0x0409, 255));
refused(ask(0x80, 6, 0x0309, 0x0409, 255), 'string 9');
heard.status = hex(ask(0x80, 0, 0, 0, 2));
tell(0x00, 9, 1, 0);
heard.configuration_value = hex(ask(0x80, 8, 0, 0, 1));
refused(ask(0xc0, 0x51, 0, 4, 16), 'unknown vendor request');
heard.coding_before = hex(ask(0xa1, 0x21, 0, 0, 7));
const coding = Buffer.from([0x80, 0x25, 0, 0, 0, 0, 8]);
heard.coding_set = hex(coding);
tell(0x21, 0x20, 0, 0, coding);
heard.coding_after = hex(ask(0xa1, 0x21, 0, 0, 7));
tell(0x21, 0x22, 3, 0);

const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
sendBytes(Buffer.concat([Buffer.from([0x65, 0, 1]), bytes]));
const answer = hear(256);
heard.echo = hex(answer.all);
// 256 bytes are four full packets: an empty one has to say that this is all.
heard.empty_packet_after_full_ones = answer.last.bytes.length < 64
  || until((e) => e.kind === 'in' && e.endpoint === 2, 'an empty packet').bytes.length === 0;
const alternate = (list) => list.every((value, i) => value === i % 2);
heard.toggles_alternate = alternate(toggles.in) && alternate(toggles.out);

tell(0x02, 1, 0, 0x82);
events = events.filter((e) => !(e.kind === 'out' && e.endpoint === 2));
toggles.in = [];
toggles.out = [];
tell(0x02, 1, 0, 0x02);
sendBytes(Buffer.from('e\x05\x00after', 'latin1'));
heard.echo_after_cleared_halts = hex(hear(5).all);
heard.toggles_alternate = heard.toggles_alternate && alternate(toggles.in) && alternate(toggles.out);
console.log(JSON.stringify(heard));
