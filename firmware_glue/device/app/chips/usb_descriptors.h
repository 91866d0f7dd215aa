/* SPDX-License-Identifier: Apache-2.0 */
/* What a board says of itself on USB: one serial port (USB 2.0 specification, section 9.6; USB class
 * definitions for communication devices 1.2, section 5; PSTN subclass 1.2, section 5.3; interface
 * association descriptor ECN). */
#ifndef EDGECNN_USB_DESCRIPTORS_H
#define EDGECNN_USB_DESCRIPTORS_H

#include "board_config.h"
#include "chip.h"

#ifndef EDGECNN_USB_VENDOR
#error "a board with a line over USB needs usb = [\"vid:pid\"] under [line] in its TOML"
#endif

#define USB_DEVICE 1u
#define USB_CONFIGURATION 2u
#define USB_STRING 3u

#define USB_PACKET 64u
#define USB_NOTICE_IN 0x81u
#define USB_NOTICE_PACKET 8u
#define USB_DATA_OUT 0x02u
#define USB_DATA_IN 0x82u

#define LOW(word) ((word) & 0xFFu)
#define HIGH(word) ((word) >> 8u)
#define CONFIGURATION_BYTES 75u

/* USB 2.0; class, subclass and protocol of a device with interface associations; one configuration. */
static const uint8_t usb_device[18] = {
    18u, USB_DEVICE, 0x00u, 0x02u, 0xEFu, 0x02u, 0x01u, USB_PACKET,
    LOW(EDGECNN_USB_VENDOR), HIGH(EDGECNN_USB_VENDOR), LOW(EDGECNN_USB_PRODUCT), HIGH(EDGECNN_USB_PRODUCT),
    0x00u, 0x01u, 1u, 2u, 0u, 1u,
};

static const uint8_t usb_configuration[CONFIGURATION_BYTES] = {
    /* two interfaces, powered by the bus, 100 mA */
    9u, USB_CONFIGURATION, CONFIGURATION_BYTES, 0u, 2u, 1u, 0u, 0x80u, 50u,
    /* interfaces 0 and 1 are one function: communication, abstract control model */
    8u, 11u, 0u, 2u, 0x02u, 0x02u, 0x00u, 0u,
    /* interface 0: communication, one endpoint */
    9u, 4u, 0u, 0u, 1u, 0x02u, 0x02u, 0x00u, 0u,
    5u, 0x24u, 0x00u, 0x10u, 0x01u, /* header: version 1.10 */
    5u, 0x24u, 0x01u, 0x00u, 1u,    /* call management: none, data on interface 1 */
    4u, 0x24u, 0x02u, 0x02u,        /* abstract control: line coding and line state */
    5u, 0x24u, 0x06u, 0u, 1u,       /* union of interfaces 0 and 1 */
    7u, 5u, USB_NOTICE_IN, 3u, USB_NOTICE_PACKET, 0u, 16u,
    /* interface 1: data, two bulk endpoints */
    9u, 4u, 1u, 0u, 2u, 0x0Au, 0x00u, 0x00u, 0u,
    7u, 5u, USB_DATA_OUT, 2u, USB_PACKET, 0u, 0u,
    7u, 5u, USB_DATA_IN, 2u, USB_PACKET, 0u, 0u,
};

/* Strings, in UTF-16: the language (English), then what the indices of the device name. */
static const uint8_t usb_language[4] = {4u, USB_STRING, 0x09u, 0x04u};
static const char *const usb_names[2] = {"edgecnn", "edgecnn board"};

#endif
