/* SPDX-License-Identifier: Apache-2.0 */
/* Clock of STM32H743 (ST RM0433): up to 400 MHz, the most of voltage scale 1, which every revision of
 * the chip has; 480 MHz would need revision V. From the signal that the board feeds in; where there
 * is none, from the internal oscillator. SysTick counts the core's clock / 8. */
#include "bits.h"
#include "board_config.h"
#include "chip.h"

#define EDGECNN_SYSTICK_HZ (EDGECNN_CLOCK_HZ / 8u)
#define EDGECNN_SYSTICK_CORE 0u
#define EDGECNN_SYSTICK_ROUNDS 4u
#include "clock_systick.h"

/* Chapter PWR. */
#define PWR_CSR1 0x58024804u
#define CSR1_ACTVOSRDY (1u << 13u)
#define PWR_CR3 0x5802480Cu
#define CR3_BYPASS (1u << 0u)
#define CR3_LDOEN (1u << 1u)
#define CR3_SCUEN (1u << 2u)
#define PWR_D3CR 0x58024818u
#define D3CR_VOSRDY (1u << 13u)
#define D3CR_VOS (3u << 14u)
#define D3CR_VOS_1 (3u << 14u)

/* Chapter FLASH. */
#define FLASH_ACR 0x52002000u
#define ACR_LATENCY 0xFu
#define ACR_WRHIGHFREQ (3u << 4u)

/* Chapter RCC. */
#define RCC_CR 0x58024400u
#define CR_HSEON (1u << 16u)
#define CR_HSERDY (1u << 17u)
#define CR_HSEBYP (1u << 18u)
#define CR_PLL1ON (1u << 24u)
#define CR_PLL1RDY (1u << 25u)
#define RCC_CFGR 0x58024410u
#define CFGR_SW 7u
#define CFGR_SW_PLL1 3u
#define CFGR_SWS (7u << 3u)
#define CFGR_SWS_PLL1 (3u << 3u)
#define RCC_D1CFGR 0x58024418u
#define D1CFGR_MASK 0xF7Fu
#define D1CFGR_HALVES ((8u << 0u) | (4u << 4u)) /* HPRE, D1PPRE: each / 2; D1CPRE: / 1 */
#define RCC_D2CFGR 0x5802441Cu
#define D2CFGR_MASK 0x770u
#define D2CFGR_HALVES ((4u << 4u) | (4u << 8u)) /* D2PPRE1, D2PPRE2: / 2 */
#define RCC_D3CFGR 0x58024420u
#define D3CFGR_MASK 0x70u
#define D3CFGR_HALVES (4u << 4u) /* D3PPRE: / 2 */
#define RCC_PLLCKSELR 0x58024428u
#define PLLCKSELR_MASK 0x3F3u
#define PLLCKSELR_HSI 0u
#define PLLCKSELR_HSE 2u
#define PLLCKSELR_M1 4u /* bits: the divider */
#define RCC_PLLCFGR 0x5802442Cu
#define PLLCFGR_MASK 0x7000Fu /* of PLL1: FRACEN, VCOSEL, RGE; P, Q and R are on */
#define PLLCFGR_RGE_4_8 (2u << 2u)
#define PLLCFGR_P1EN (1u << 16u)
#define RCC_PLL1DIVR 0x58024430u
#define PLL1DIVR_P 9u /* bits: the divider less 1; of N bits 0 to 8: the factor less 1 */
#define PLL1DIVR_MASK 0xFFFFu

/* Revisions Z and Y, erratum "Reading from AXI SRAM may lead to data read corruption" (ST ES0392,
 * system errata): its workaround is AXI_TARG7_FN_MOD's READ_ISS_OVERRIDE, one read at a time. */
#define DBGMCU_IDC 0x5C001000u
#define IDC_REVISION_X 0x2001u
#define AXI_TARG7_FN_MOD 0x51008108u
#define READ_ISS_OVERRIDE 1u

/* Armv7-M architecture reference manual (DDI 0403): caches, sections B2.2.7 and B3.2.8; MPU, section
 * B3.5. The data cache has 128 sets of 4 lines of 32 bytes (Cortex-M7 technical reference
 * manual, DDI 0489, chapter Memory System). */
#define CCR 0xE000ED14u
#define CCR_DC (1u << 16u)
#define CCR_IC (1u << 17u)
#define ICIALLU 0xE000EF50u
#define DCISW 0xE000EF60u
#define DCISW_SET 5u
#define DCISW_WAY 30u
#define SETS 128u
#define WAYS 4u
#define LINE 32u
#define MPU_CTRL 0xE000ED94u
#define MPU_CTRL_ON 5u /* and the default map wherever no region is */
#define MPU_RBAR 0xE000ED9Cu
#define RBAR_VALID (1u << 4u) /* the lowest bits say which region */
#define MPU_RASR 0xE000EDA0u
#define RASR_LINE_UNCACHED ((1u << 28u) | (3u << 24u) | (1u << 19u) | (4u << 1u) | 1u)
#define REGIONS 8u

/* Chapter RCC, "PLLs", and DS12110, table "PLL characteristics (wide VCO frequency range)": 4 MHz go in,
 * 192 to 836 MHz come out (twice the core's clock), and P halves them. */
#define HSI_HZ 64000000u
#define PLL_INPUT_HZ 4000000u
#define PLL_N (2u * EDGECNN_CLOCK_HZ / PLL_INPUT_HZ)
#if EDGECNN_CRYSTAL_HZ % PLL_INPUT_HZ != 0u || EDGECNN_CRYSTAL_HZ > 48000000u
#error "the board's crystal or signal must have a multiple of 4 MHz, up to 48 MHz"
#endif
#if 2u * EDGECNN_CLOCK_HZ % PLL_INPUT_HZ != 0u || EDGECNN_CLOCK_HZ < 100000000u || EDGECNN_CLOCK_HZ > 400000000u
#error "an STM32H743 runs at 100 to 400 MHz here, in steps of 2 MHz"
#endif

/* Chapter FLASH, table "FLASH recommended number of wait states and programming delay", voltage scale
 * 1: the flash runs at the AXI bus's clock, half of the core's. */
#define AXI_HZ (EDGECNN_CLOCK_HZ / 2u)
#if AXI_HZ <= 70000000u
#define FLASH_TIMING 0x00u
#elif AXI_HZ <= 140000000u
#define FLASH_TIMING 0x11u
#elif AXI_HZ <= 185000000u
#define FLASH_TIMING 0x12u
#else /* up to 210 MHz */
#define FLASH_TIMING 0x22u
#endif

extern uint32_t edgecnn_noinit_begin[], edgecnn_noinit_end[];

static void supply(void) {
  /* PWR_CR3: how the core is supplied can be written once after power-on, and has to be before
   * voltage or clock change. The regulator inside, which is what the board has. */
  edgecnn_change(PWR_CR3, CR3_BYPASS, CR3_LDOEN | CR3_SCUEN);
  (void)edgecnn_wait_for(PWR_CSR1, CSR1_ACTVOSRDY, CSR1_ACTVOSRDY);
  /* PWR_D3CR: the voltage rises before the clock does. */
  edgecnn_change(PWR_D3CR, D3CR_VOS, D3CR_VOS_1);
  (void)edgecnn_wait_for(PWR_D3CR, D3CR_VOSRDY, D3CR_VOSRDY);
}

/* The source of the PLL and its divider, as PLLCKSELR has them. */
static uint32_t reference(void) {
#if EDGECNN_CRYSTAL_HZ != 0u
#if defined(EDGECNN_CRYSTAL_BYPASS)
  edgecnn_change(RCC_CR, 0u, CR_HSEBYP); /* while HSEON is 0 */
#endif
  edgecnn_change(RCC_CR, 0u, CR_HSEON);
  if (edgecnn_wait_for(RCC_CR, CR_HSERDY, CR_HSERDY)) {
    return PLLCKSELR_HSE | ((EDGECNN_CRYSTAL_HZ / PLL_INPUT_HZ) << PLLCKSELR_M1);
  }
#endif
  return PLLCKSELR_HSI | ((HSI_HZ / PLL_INPUT_HZ) << PLLCKSELR_M1);
}

static void barrier(void) { __asm__ volatile("dsb\n\tisb" ::: "memory"); }

/* Both caches: flash at half the core's clock, with wait states, and the AXI SRAM are far away. No
 * other master reads or writes memory here. What is kept over a reset must not lie in a cache that
 * the reset throws away: those lines are not cached. Writing all through instead would hit an erratum
 * of this core (ST ES0392, core errata, "data cache configured in write-through"). */
static void start_caches(void) {
  uint32_t line = (uint32_t)(uintptr_t)edgecnn_noinit_begin & ~(LINE - 1u);
  uint32_t region, set, way;

  for (region = 0u; region < REGIONS && line < (uint32_t)(uintptr_t)edgecnn_noinit_end; ++region) {
    EDGECNN_REG(MPU_RBAR) = line | RBAR_VALID | region;
    EDGECNN_REG(MPU_RASR) = RASR_LINE_UNCACHED;
    line += LINE;
  }
  EDGECNN_REG(MPU_CTRL) = MPU_CTRL_ON;
  barrier();
  EDGECNN_REG(ICIALLU) = 0u;
  for (set = 0u; set < SETS; ++set) {
    for (way = 0u; way < WAYS; ++way) {
      EDGECNN_REG(DCISW) = (set << DCISW_SET) | (way << DCISW_WAY);
    }
  }
  barrier();
  edgecnn_change(CCR, 0u, CCR_IC | CCR_DC);
  barrier();
}

void edgecnn_clock_init(void) {
  if (EDGECNN_REG(DBGMCU_IDC) >> 16u < IDC_REVISION_X) {
    EDGECNN_REG(AXI_TARG7_FN_MOD) = READ_ISS_OVERRIDE;
  }
  supply();

  /* Chapter RCC, "PLL initialization phase": the PLL is set while it is off. */
  edgecnn_change(RCC_PLLCKSELR, PLLCKSELR_MASK, reference());
  edgecnn_change(RCC_PLLCFGR, PLLCFGR_MASK, PLLCFGR_RGE_4_8 | PLLCFGR_P1EN);
  edgecnn_change(RCC_PLL1DIVR, PLL1DIVR_MASK, (PLL_N - 1u) | (1u << PLL1DIVR_P));
  edgecnn_change(RCC_CR, 0u, CR_PLL1ON);
  (void)edgecnn_wait_for(RCC_CR, CR_PLL1RDY, CR_PLL1RDY);

  /* The buses' dividers and the wait states before the clock that needs them. */
  edgecnn_change(RCC_D1CFGR, D1CFGR_MASK, D1CFGR_HALVES);
  edgecnn_change(RCC_D2CFGR, D2CFGR_MASK, D2CFGR_HALVES);
  edgecnn_change(RCC_D3CFGR, D3CFGR_MASK, D3CFGR_HALVES);
  edgecnn_change(FLASH_ACR, ACR_LATENCY | ACR_WRHIGHFREQ, FLASH_TIMING);
  (void)edgecnn_wait_for(FLASH_ACR, ACR_LATENCY | ACR_WRHIGHFREQ, FLASH_TIMING);
  edgecnn_change(RCC_CFGR, CFGR_SW, CFGR_SW_PLL1);
  (void)edgecnn_wait_for(RCC_CFGR, CFGR_SWS, CFGR_SWS_PLL1);

  start_caches();
  edgecnn_systick_start();
}
