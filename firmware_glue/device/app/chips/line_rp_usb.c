/* SPDX-License-Identifier: Apache-2.0 */
/* A serial port over the USB of RP2040 and RP2350, driven by its interrupt: enumeration on endpoint
 * 0 (USB 2.0 specification, chapter 9), the requests of a modem (communication devices, PSTN
 * subclass 1.2, section 6.3), bytes on two bulk endpoints. The host is held back by not taking its
 * next packet; bytes for a host that has no program reading are dropped. */
#include "board_config.h"
#include "chip.h"
#include "nvic.h"
#include "usb_controller.h"
#include "usb_descriptors.h"

#define DATA_ENDPOINT 2u
#define NOTICE_ENDPOINT 1u
#define IN_DONE(endpoint) (1u << (2u * (endpoint)))
#define OUT_DONE(endpoint) (2u << (2u * (endpoint)))
#define READER_PATIENCE_US 1000000u

/* The type and the request of a SETUP packet as one number. */
#define REQUEST(type, request) ((type) | (request) << 8u)
#define DEVICE_IN 0x80u
#define INTERFACE_IN 0x81u
#define ENDPOINT_IN 0x82u
#define GET_STATUS 0u
#define CLEAR_FEATURE 1u
#define SET_FEATURE 3u
#define SET_ADDRESS 5u
#define GET_DESCRIPTOR 6u
#define GET_CONFIGURATION 8u
#define SET_CONFIGURATION 9u
#define GET_INTERFACE 10u
#define SET_INTERFACE 11u
#define CLASS_OUT 0x21u
#define CLASS_DEVICE_OUT 0x20u /* what rp2040js sends */
#define CLASS_IN 0xA1u
#define SET_LINE_CODING 0x20u
#define GET_LINE_CODING 0x21u
#define SET_CONTROL_LINE_STATE 0x22u
#define SEND_BREAK 0x23u
#define LINE_CODING_BYTES 7u

/* Endpoint 0: what is still to be sent, the toggle, and an address that waits for its status. */
static uint8_t answer[CONFIGURATION_BYTES];
static uint32_t answer_at, answer_bytes;
static uint8_t answer_toggle, answer_short;
static uint32_t new_address;
static uint8_t takes_coding;
static uint8_t line_coding[8] = {0x00u, 0xC2u, 0x01u, 0x00u, 0u, 0u, 8u, 0u}; /* 115200, 8N1 */

/* The port. */
static volatile uint8_t configured, terminal, in_busy;
static uint8_t in_toggle, out_toggle, ends_full, stuck;
static volatile uint8_t held;
static uint32_t out_at, out_bytes; /* of the packet that waits in the controller */
static uint8_t packet[USB_PACKET];
static uint32_t packet_bytes;

static void arm_out(void) {
  usb_arm(BUFFER_CONTROL(DATA_ENDPOINT, 1u), (out_toggle != 0u ? BUFFER_DATA1 : 0u) | USB_PACKET);
  out_toggle ^= 1u;
}

/* Puts the packet into the ring; takes the next one when all of it has found room. */
static void drain(void) {
  while (out_at < out_bytes) {
    if (!edgecnn_ring_has_room()) {
      held = 1u;
      return;
    }
    (void)edgecnn_ring_put(usb_load(OUT_BUFFER + out_at));
    ++out_at;
  }
  arm_out();
}

static void send_answer(void) {
  const uint32_t left = answer_bytes - answer_at;
  const uint32_t size = left < USB_PACKET ? left : USB_PACKET;
  usb_store(EP0_BUFFER, &answer[answer_at], size);
  answer_at += size;
  usb_arm(BUFFER_CONTROL(0u, 0u), BUFFER_FULL | (answer_toggle != 0u ? BUFFER_DATA1 : 0u) | size);
  answer_toggle ^= 1u;
}

/* Starts an answer of bytes, cut to what the host asked for; the first packet is DATA1. */
static void give(const uint8_t *bytes, uint32_t size, uint32_t asked) {
  uint32_t i;
  answer_bytes = size < asked ? size : asked;
  for (i = 0u; i < answer_bytes; ++i) {
    answer[i] = bytes[i];
  }
  /* Less than asked for, and full packets only: an empty one says that this is all. */
  answer_short = (uint8_t)(answer_bytes < asked && answer_bytes != 0u && answer_bytes % USB_PACKET == 0u);
  answer_at = 0u;
  answer_toggle = 1u;
  send_answer();
}

static void give_status(void) { give(answer, 0u, 0u); }

static void refuse(void) {
  EDGECNN_REG(EP_STALL_ARM) = 3u;
  EDGECNN_REG(BUFFER_CONTROL(0u, 0u)) = BUFFER_STALL;
  EDGECNN_REG(BUFFER_CONTROL(0u, 1u)) = BUFFER_STALL;
}

/* The host's side of a control transfer: its data, or its empty status. DATA1 either way. */
static void take(uint32_t size) { usb_arm(BUFFER_CONTROL(0u, 1u), BUFFER_DATA1 | size); }

static void give_text(uint32_t index, uint32_t asked) {
  uint8_t text[2u + 2u * 24u];
  uint32_t size = 2u;
  const char *name;
  if (index == 0u) {
    give(usb_language, sizeof usb_language, asked);
    return;
  }
  if (index > sizeof usb_names / sizeof usb_names[0]) {
    refuse();
    return;
  }
  for (name = usb_names[index - 1u]; *name != '\0' && size < sizeof text; ++name) {
    text[size] = (uint8_t)*name;
    text[size + 1u] = 0u;
    size += 2u;
  }
  text[0] = (uint8_t)size;
  text[1] = USB_STRING;
  give(text, size, asked);
}

static void give_descriptor(uint32_t value, uint32_t asked) {
  switch (value >> 8u) {
    case USB_DEVICE:
      give(usb_device, sizeof usb_device, asked);
      break;
    case USB_CONFIGURATION:
      give(usb_configuration, sizeof usb_configuration, asked);
      break;
    case USB_STRING:
      give_text(value & 0xFFu, asked);
      break;
    default: /* a full-speed device has no device qualifier */
      refuse();
      break;
  }
}

static void open_endpoints(void) {
  EDGECNN_REG(EP_CONTROL(NOTICE_ENDPOINT, 0u)) = EP_ENABLE | EP_INTERRUPT | EP_INTERRUPT_TYPE | NOTICE_BUFFER;
  EDGECNN_REG(EP_CONTROL(DATA_ENDPOINT, 0u)) = EP_ENABLE | EP_INTERRUPT | EP_BULK | IN_BUFFER;
  EDGECNN_REG(EP_CONTROL(DATA_ENDPOINT, 1u)) = EP_ENABLE | EP_INTERRUPT | EP_BULK | OUT_BUFFER;
  EDGECNN_REG(BUFFER_CONTROL(DATA_ENDPOINT, 0u)) = 0u;
  in_toggle = 0u;
  out_toggle = 0u;
  in_busy = 0u;
  held = 0u;
  out_at = 0u;
  out_bytes = 0u;
  arm_out();
}

static void close_port(void) {
  configured = 0u;
  terminal = 0u;
  in_busy = 0u;
  held = 0u;
}

/* A host that clears an endpoint's halt starts its toggle again (USB 2.0, section 9.4.5). */
static void clear_halt(uint32_t endpoint) {
  if (endpoint == USB_DATA_IN) {
    EDGECNN_REG(BUFFER_CONTROL(DATA_ENDPOINT, 0u)) = 0u;
    in_toggle = 0u;
    in_busy = 0u;
  } else if (endpoint == USB_DATA_OUT) {
    const int waits = out_at < out_bytes;
    out_toggle = 0u;
    if (!waits) {
      EDGECNN_REG(BUFFER_CONTROL(DATA_ENDPOINT, 1u)) = 0u;
      arm_out();
    }
  }
  give_status();
}

static void configure(uint32_t value) {
  if (value > 1u) {
    refuse();
    return;
  }
  close_port();
  if (value == 1u) {
    open_endpoints();
    configured = 1u;
  }
  give_status();
}

static void obey(uint32_t request, uint32_t value, uint32_t index, uint32_t asked) {
  static const uint8_t zeros[2] = {0u, 0u};
  uint8_t number;
  switch (request) {
    case REQUEST(DEVICE_IN, GET_DESCRIPTOR):
      give_descriptor(value, asked);
      break;
    case REQUEST(DEVICE_IN, GET_STATUS):
    case REQUEST(INTERFACE_IN, GET_STATUS):
    case REQUEST(ENDPOINT_IN, GET_STATUS):
      give(zeros, 2u, asked);
      break;
    case REQUEST(DEVICE_IN, GET_CONFIGURATION):
      number = configured;
      give(&number, 1u, asked);
      break;
    case REQUEST(INTERFACE_IN, GET_INTERFACE):
      give(zeros, 1u, asked);
      break;
    case REQUEST(CLASS_IN, GET_LINE_CODING):
      give(line_coding, LINE_CODING_BYTES, asked);
      break;
    case REQUEST(0u, SET_ADDRESS):
      new_address = value & 0x7Fu; /* from after the status on */
      give_status();
      break;
    case REQUEST(0u, SET_CONFIGURATION):
      configure(value);
      break;
    case REQUEST(2u, CLEAR_FEATURE):
      clear_halt(index & 0xFFu);
      break;
    case REQUEST(CLASS_OUT, SET_LINE_CODING):
      takes_coding = 1u;
      take(LINE_CODING_BYTES);
      break;
    case REQUEST(CLASS_OUT, SET_CONTROL_LINE_STATE):
    case REQUEST(CLASS_DEVICE_OUT, SET_CONTROL_LINE_STATE):
      terminal = (uint8_t)(value & 1u);
      stuck = 0u;
      give_status();
      break;
    case REQUEST(1u, SET_INTERFACE):
    case REQUEST(0u, SET_FEATURE):
    case REQUEST(0u, CLEAR_FEATURE):
    case REQUEST(CLASS_OUT, SEND_BREAK):
      give_status();
      break;
    default:
      refuse();
      break;
  }
}

static void take_setup(void) {
  const uint32_t first = EDGECNN_REG(SETUP_PACKET);
  const uint32_t second = EDGECNN_REG(SETUP_PACKET + 4u);
  EDGECNN_REG(SIE_STATUS) = SIE_STATUS_SETUP;
  /* What was left of an earlier transfer is void. */
  EDGECNN_REG(BUFFER_CONTROL(0u, 0u)) = 0u;
  EDGECNN_REG(BUFFER_CONTROL(0u, 1u)) = 0u;
  EDGECNN_REG(BUFF_STATUS) = IN_DONE(0u) | OUT_DONE(0u);
  answer_at = 0u;
  answer_bytes = 0u;
  answer_short = 0u;
  takes_coding = 0u;
  new_address = 0u;
  obey(first & 0xFFFFu, first >> 16u, second & 0xFFFFu, second >> 16u);
}

/* Endpoint 0 has sent a packet: the next one, or the host's empty one to end the transfer with. */
static void answer_sent(void) {
  if (new_address != 0u) {
    EDGECNN_REG(ADDR_ENDP) = new_address;
    new_address = 0u;
  } else if (answer_at < answer_bytes) {
    send_answer();
  } else if (answer_short != 0u) {
    answer_short = 0u;
    send_answer();
  } else if (answer_bytes != 0u) {
    answer_bytes = 0u;
    answer_at = 0u;
    take(0u);
  }
}

/* Endpoint 0 has received: the bytes of a line coding, or an empty status. */
static void control_taken(void) {
  uint32_t i;
  if (takes_coding == 0u) {
    return;
  }
  takes_coding = 0u;
  if ((EDGECNN_REG(BUFFER_CONTROL(0u, 1u)) & BUFFER_LENGTH) == LINE_CODING_BYTES) {
    for (i = 0u; i < LINE_CODING_BYTES; ++i) {
      line_coding[i] = usb_load(EP0_BUFFER + i);
    }
  }
  give_status();
}

static void buffers_done(void) {
  const uint32_t done = EDGECNN_REG(BUFF_STATUS);
  EDGECNN_REG(BUFF_STATUS) = done;
  if ((done & IN_DONE(0u)) != 0u) {
    answer_sent();
  }
  if ((done & OUT_DONE(0u)) != 0u) {
    control_taken();
  }
  if ((done & IN_DONE(DATA_ENDPOINT)) != 0u) {
    in_busy = 0u;
    stuck = 0u;
  }
  if ((done & OUT_DONE(DATA_ENDPOINT)) != 0u && configured != 0u) {
    out_at = 0u;
    out_bytes = EDGECNN_REG(BUFFER_CONTROL(DATA_ENDPOINT, 1u)) & BUFFER_LENGTH;
    out_bytes = out_bytes < USB_PACKET ? out_bytes : USB_PACKET;
    if (out_bytes != 0u) {
      terminal = 1u; /* who sends also reads, even where it does not set the line state */
    }
    drain();
  }
}

void edgecnn_line_irq(void) {
  const uint32_t status = EDGECNN_REG(SIE_STATUS);
  if ((status & SIE_STATUS_BUS_RESET) != 0u) {
    EDGECNN_REG(SIE_STATUS) = SIE_STATUS_BUS_RESET;
    EDGECNN_REG(ADDR_ENDP) = 0u;
    EDGECNN_REG(BUFF_STATUS) = EDGECNN_REG(BUFF_STATUS);
    close_port();
  }
  buffers_done(); /* before a new request: they belong to the one before */
  if ((EDGECNN_REG(SIE_STATUS) & SIE_STATUS_SETUP) != 0u) {
    take_setup();
  }
  if (held != 0u && edgecnn_ring_has_room()) {
    held = 0u;
    drain();
  }
}

void edgecnn_line_init(void) {
  uint32_t at;
  usb_power_up();
  for (at = 0u; at < DPRAM_BYTES; at += 4u) {
    EDGECNN_REG(DPRAM + at) = 0u;
  }
  EDGECNN_REG(USB_MUXING) = USB_MUXING_PHY;
  EDGECNN_REG(USB_PWR) = USB_PWR_VBUS;
  EDGECNN_REG(MAIN_CTRL) = MAIN_CTRL_ENABLE; /* on RP2350 this also ends the transceiver's isolation */
  EDGECNN_REG(SIE_CTRL) = SIE_CTRL_EP0_INTERRUPT;
  EDGECNN_REG(INTE) = INT_BUFF_STATUS | INT_BUS_RESET | INT_SETUP;
  EDGECNN_REG(SIE_CTRL) = SIE_CTRL_EP0_INTERRUPT | SIE_CTRL_PULL_UP;
  edgecnn_nvic_resume(EDGECNN_LINE_IRQ);
}

/* 1 if the packet before has gone, or went within the patience that a host without a reader gets
 * once; the watchdog is fed by the main loop alone, which must go on. */
static int in_free(void) {
  const uint32_t begin = edgecnn_clock_us();
  while (in_busy != 0u && configured != 0u && terminal != 0u) {
    if (stuck != 0u || edgecnn_clock_us() - begin > READER_PATIENCE_US) {
      stuck = 1u;
      return 0;
    }
  }
  return configured != 0u && terminal != 0u;
}

static void send_packet(void) {
  if (in_free()) {
    usb_store(IN_BUFFER, packet, packet_bytes);
    ends_full = (uint8_t)(packet_bytes == USB_PACKET);
    in_busy = 1u;
    usb_arm(BUFFER_CONTROL(DATA_ENDPOINT, 0u),
            BUFFER_FULL | (in_toggle != 0u ? BUFFER_DATA1 : 0u) | packet_bytes);
    in_toggle ^= 1u;
  }
  packet_bytes = 0u;
}

void edgecnn_line_put(uint8_t byte) {
  packet[packet_bytes] = byte;
  if (++packet_bytes == USB_PACKET) {
    send_packet();
  }
}

/* After a last packet that is full an empty one tells the host that this is all (USB 2.0, 5.8.3). */
void edgecnn_line_flush(void) {
  if (packet_bytes != 0u || ends_full != 0u) {
    ends_full = 0u;
    send_packet();
  }
}

void edgecnn_line_poll(void) {
  if (held != 0u && edgecnn_ring_has_room()) {
    edgecnn_nvic_resume(EDGECNN_LINE_IRQ); /* its handler goes on with the packet */
  }
}
