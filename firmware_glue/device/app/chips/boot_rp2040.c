/* SPDX-License-Identifier: Apache-2.0 */
/* Second-stage boot loader of RP2040 (RP2040 datasheet, sections 2.8.1.3 and 4.10): what the boot
 * ROM copies from the start of flash to RAM and runs. It sets the flash controller up for reads
 * with the command 03h, which every serial flash knows, and starts the program behind it. The last
 * four of its 256 bytes are a checksum, which is filled in after linking.
 *
 * 03h may be clocked with up to 50 MHz: clk_sys / 4. */

#define TEXT(x) #x
#define STRING(x) TEXT(x)

#define SSI 0x18000000
#define SSI_CTRLR0 0x00
#define SSI_CTRLR1 0x04
#define SSI_SSIENR 0x08
#define SSI_BAUDR 0x14
#define SSI_SPI_CTRLR0 0x180000f4
#define CTRLR0_VALUE 0x001f0300     /* one line, frames of 32 bits, read after writing */
#define SPI_CTRLR0_VALUE 0x03000218 /* command 03h of 8 bits, address of 24 bits */
#define VECTORS 0x10000100
#define VTOR 0xe000ed08

void edgecnn_boot2(void);

__attribute__((naked, used, section(".edgecnn.boot"))) void edgecnn_boot2(void) {
  __asm__ volatile(
      ".syntax unified\n\t"
      "ldr r3, =" STRING(SSI) "\n\t"
      "movs r1, #0\n\t"
      "str r1, [r3, #" STRING(SSI_SSIENR) "]\n\t" /* off: it may be configured only then */
      "movs r1, #4\n\t"
      "str r1, [r3, #" STRING(SSI_BAUDR) "]\n\t"
      "ldr r1, =" STRING(CTRLR0_VALUE) "\n\t"
      "str r1, [r3, #" STRING(SSI_CTRLR0) "]\n\t"
      "movs r1, #0\n\t"
      "str r1, [r3, #" STRING(SSI_CTRLR1) "]\n\t" /* one frame a read */
      "ldr r1, =" STRING(SPI_CTRLR0_VALUE) "\n\t"
      "ldr r2, =" STRING(SSI_SPI_CTRLR0) "\n\t"
      "str r1, [r2]\n\t"
      "movs r1, #1\n\t"
      "str r1, [r3, #" STRING(SSI_SSIENR) "]\n\t"
      "ldr r0, =" STRING(VECTORS) "\n\t"
      "ldr r1, =" STRING(VTOR) "\n\t"
      "str r0, [r1]\n\t"
      "ldm r0!, {r1, r2}\n\t"
      "msr msp, r1\n\t"
      "bx r2\n\t"
      ".ltorg\n\t");
}
