"""What pyOCD and OpenOCD print, as recorded; where from is said with each.

"run here": pyOCD 0.46.0 and OpenOCD 0.12.0 (Debian 12), with no probe. The others are quoted from
the projects' public issues, as far as they are needed to recognise them, or put together from
the format strings of the source file that is named.
"""

# pyOCD issue 1523 (a load that went well), with the words of 0.46 (its loader.py).
PYOCD_DONE = """0000971 I Loading edgecnn.hex [load_cmd]
[==================================================] 100%
0001498 I Erased 1024 bytes (1 sector), programmed 1024 bytes (1 page), identical 0 bytes (0 pages)\
 at 1.90 kB/s [loader]
"""
# run here
PYOCD_NO_PROBE = "No connected debug probes\n0000360 E No target device available [load_cmd]\n"
# run here
PYOCD_NO_SUCH_PROBE = """No connected debug probe matches unique ID '1234'
0000288 E No target device available [load_cmd]
"""
# usbipd-win issue 102, pyOCD issue 1465
PYOCD_NO_RIGHT = """0000653 W [Errno 13] Access denied (insufficient permissions) while trying to\
 interrogate a USB device (VID=0d28 PID=0204). This can probably be remedied with a udev rule. See\
 <https://github.com/pyocd/pyOCD/tree/master/udev> for help. [pyusb_v2_backend]
No connected debug probes
0000660 E No target device available [load_cmd]
"""
# pyOCD 0.46.0, board/board.py
PYOCD_NO_TARGET = """0000812 C Target type stm32l4r5zitx not recognized. Use 'pyocd list --targets'\
 to see currently available target types. See <https://pyocd.io/docs/target_support.html> for\
 how to install additional target support. [__main__]
"""
# pyOCD issue 1027: the exit code is 0
PYOCD_NO_REGION = """0000725 W Failed to add data chunk: no memory region defined for address\
 0x60000400 [file_programmer]
0000726 I Erased 0 bytes (0 sectors), programmed 0 bytes (0 pages), identical 0 bytes (0 pages) at\
 0.00 kB/s [loader]
"""
# pyOCD issue 860
PYOCD_NO_ACK = "0001422 C No ACK received [__main__]\n"
# pyOCD issue 760
PYOCD_FAULT = "0000841 C SWD/JTAG Transfer Fault @ 0x40034fe0-0x40034fe3 [__main__]\n"
# pyOCD 0.46.0, target/family/target_nRF52.py, commands/commander.py
PYOCD_LOCKED = """0000512 W NRF52833 APPROTECT enabled: not automatically unlocking [target_nRF52]
0000530 E Error while initing target: Memory transfer fault @ 0xe000ed00 [commander]
"""
# pyOCD 0.46.0, core/helpers.py, with two probes and no input
PYOCD_SEVERAL = """  #   Probe/Board             Unique ID                               Target
  0   Arm BBC micro:bit       9900360136424e45004f30160000006200000   nrf51
  1   Arm BBC micro:bit       9900000051864e45006f200f0000000700000   nrf51

Enter the number of the debug probe or 'q' to quit> 0000312 C Error: EOF when reading\
 a line [__main__]
"""
# pyOCD 0.46.0, probe/common.py
PYOCD_NO_LIBUSB = """0000120 W STLink, CMSIS-DAPv2 and PicoProbe probes are not supported because\
 no libusb library was found. [common]
No connected debug probes
"""
_BANNER = """Open On-Chip Debugger 0.12.0
Licensed under GNU GPL v2
For bug reports, read
\thttp://openocd.org/doc/doxygen/bugs.html
"""
# Black Magic issue 780 and mbed-ce pull request 43 (the lines of "program"), with the start of 0.12
OPENOCD_DONE = f"""{_BANNER}Info : clock speed 500 kHz
Info : STLINK V2J33M25 (API v2) VID:PID 0483:374B
Info : Target voltage: 3.244914
Info : [stm32l4x.cpu] Cortex-M4 r0p1 processor detected
[stm32l4x.cpu] halted due to debug-request, current mode: Thread
xPSR: 0x01000000 pc: 0x08000354 msp: 0x20005000
** Programming Started **
Info : device idcode = 0x10016470
** Programming Finished **
** Verify Started **
** Verified OK **
** Resetting Target **
shutdown command invoked
"""
# The same, with the complaint about another USB device that does not matter (rusEFI issue 5591)
OPENOCD_DONE_BESIDES = OPENOCD_DONE.replace(
    "Info : STLINK", "Error: libusb_open() failed with LIBUSB_ERROR_NOT_SUPPORTED\nInfo : STLINK"
)
# run here
OPENOCD_NO_STLINK = f"""{_BANNER}Info : auto-selecting first available session transport "hla_swd".\
 To override use 'transport select <transport>'.
Info : The selected transport took over low-level target control. The results might differ compared\
 to plain JTAG/SWD
Info : clock speed 500 kHz
Error: open failed
in procedure 'program'
** OpenOCD init failed **
shutdown command invoked

"""
# run here
OPENOCD_NO_DAP = f"""{_BANNER}Info : auto-selecting first available session transport "swd". To\
 override use 'transport select <transport>'.
Error: unable to find a matching CMSIS-DAP device
** OpenOCD init failed **
shutdown command invoked

"""
# raspberrypi/openocd issue 22
OPENOCD_NO_RIGHT = (
    f"{_BANNER}Error: libusb_open() failed with LIBUSB_ERROR_ACCESS\nError: open failed\n"
)
# RedBearLab nRF51822-Arduino issue 73
OPENOCD_NO_HID = f"{_BANNER}Error: unable to open CMSIS-DAP device 0xd28:0x204\n"
# run here
OPENOCD_NO_FILE = f"""{_BANNER}embedded:startup.tcl:28: Error: Can't find target/rp2350.cfg
in procedure 'script'
at file "embedded:startup.tcl", line 28
"""
# xpack openocd issue 33
OPENOCD_NO_TARGET = f"""{_BANNER}Info : STLINK V2J45M31 (API v2) VID:PID 0483:374B
Info : Target voltage: 3.239765
Error: init mode failed (unable to connect to the target)
"""
# nanoDAP issue 19
OPENOCD_BUSY = f"""{_BANNER}Info : Using CMSIS-DAPv2 interface with VID:PID=0xc251:0xf001
Warn : could not claim interface: Resource busy
Error: error writing data: Input/Output Error
Error: CMSIS-DAP command CMD_INFO failed.
"""
# libusb without a WinUSB driver (pcie_screamer issue 1)
OPENOCD_NO_DRIVER = f"""{_BANNER}Error: libusb_open() failed with LIBUSB_ERROR_NOT_SUPPORTED
Error: no device found
"""
# OpenOCD 0.12, flash/startup.tcl
OPENOCD_VERIFY_FAILED = f"""{_BANNER}** Programming Finished **
** Verify Started **
** Verify Failed **
shutdown command invoked
"""
# run here, on a simulated chip that does not answer (JTAG)
OPENOCD_NO_CHIP = f"""{_BANNER}Error: JTAG scan chain interrogation failed: all ones
Error: Check JTAG interface, timings, target power, etc.
Error: Trying to use configured scan chain anyway...
Error: stm32f4x.cpu: IR capture error; saw 0x0f not 0x01
Warn : Bypassing JTAG setup events due to errors
Error: Invalid ACK (7) in DAP response
Error: JTAG-DP STICKY ERROR
in procedure 'program'
** OpenOCD init failed **
shutdown command invoked
"""
