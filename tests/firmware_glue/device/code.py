"""C of programs whose instruction counts are known, for any emulator."""

LOOP = """
/* movs, then 7 times 3 instructions per turn, then bx: 2 + 3 n */
__attribute__((naked)) KEEP void loop7(void) {
#if defined(__riscv)
  __asm__ volatile("li a0, 7\\n1: addi a1, a1, 3\\n addi a0, a0, -1\\n bnez a0, 1b\\n ret");
#else
  __asm__ volatile("movs r0, #7\\n1: adds r1, #3\\n subs r0, #1\\n bne 1b\\n bx lr");
#endif
}
int main(void) { loop7(); edgecnn_ready(); return 0; }
"""
LOOP_INSTRUCTIONS = 1 + 7 * 3 + 1
CONDITIONAL = """
/* 4 + 10 turns of 5 (it, and two of which one fails, subs, bne) + bx */
__attribute__((naked)) KEEP void choose(void) {
  __asm__ volatile("movs r0, #10\\n movs r1, #0\\n movs r2, #0\\n movs r3, #0\\n"
                   "1: cmp r1, #0\\n ite eq\\n addeq r2, r2, #1\\n addne r3, r3, #1\\n"
                   "subs r0, #1\\n bne 1b\\n bx lr");
}
int main(void) { choose(); return 0; }
"""
MIXED = """
volatile uint32_t cells[64], result;
KEEP uint32_t pick(uint32_t i) {
  switch (i % 7u) {
    case 0: return cells[1];
    case 1: return cells[2] + i;
    case 2: return i * 3u;
    case 3: cells[5] = i; return 9u;
    case 4: return i / 5u;
    case 5: return i ^ 77u;
    default: return 0xdeadu;
  }
}
KEEP void work(void) {
  uint32_t a = 0u;
  for (uint32_t i = 0u; i < 200u; ++i) {
    a += pick(i);
    cells[i & 63u] = a;
    a ^= (uint32_t)(((uint64_t)a * i) >> 13);
  }
  result = a;
}
int main(void) { work(); return 0; }
"""
MODEL = """
__attribute__((section(".edgecnn.arena"), aligned(16))) int8_t edgecnn_arena[16];
static KEEP int deep(volatile int8_t *a, int n) {
  volatile int8_t local[64];
  local[n] = a[n];
  return n == 0 ? local[0] : deep(a, n - 1) + local[n];
}
KEEP void invoke(void) { edgecnn_arena[8] = (int8_t)deep(edgecnn_arena, 3); }
int main(void) { for (;;) { edgecnn_ready(); invoke(); } }
"""
