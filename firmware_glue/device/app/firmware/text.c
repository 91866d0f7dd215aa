/* SPDX-License-Identifier: Apache-2.0 */
/* Text commands: reads, carries out, answers.
 *
 * The digits of db go straight to where they belong, so that a command may bring any number of them;
 * they count only when its '%' comes and nothing was wrong. */
#include "text.h"

#include "clock64.h"
#include "model_io.h"
#include "print.h"
#include "requests.h"
#include "run.h"
#include "stream.h"
#include "whole.h"

#define LINE_BYTES 48u
#define WORDS 4u
#define BYTES_A_LINE 8u /* of db print; also results per turn */
#define DEFAULT_RUNS 1u
#define DEFAULT_WARM_UPS 10u

/* What takes more than one turn. */
typedef enum { NOTHING, WARM_UP, TIMED, RESULTS, DB_PRINT, STREAMED } activity_kind;

static EDGECNN_WHOLE struct {
  uint8_t length, damaged, too_long; /* of the command that is coming */
  uint8_t hex, high;                 /* digits of db are coming; the first one of a pair */
  uint8_t bad[2];                    /* the first pair that was wrong; 0: none */
  uint8_t activity;                  /* activity_kind */
  uint32_t digits;
  uint32_t db_expected, db_count;
  uint32_t runs, place;
  uint64_t start_us; /* of the timed inferences */
  char line[LINE_BYTES + 1u];
} state;

static int hex_value(uint8_t digit) {
  if (digit >= '0' && digit <= '9') {
    return digit - '0';
  }
  digit |= 0x20u;
  return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

static void ready(void) { edgecnn_print("m-ready\r\n"); }

static void error(const char *what) {
  edgecnn_print("e-[");
  edgecnn_print(what);
  edgecnn_print("]\r\n");
}

static void line_with(const char *before, uint32_t number, const char *after) {
  edgecnn_print(before);
  edgecnn_print_number(number);
  edgecnn_print(after);
}

static void bracket(const char *before, const char *text) {
  edgecnn_print(before);
  edgecnn_print(text);
  edgecnn_print("]\r\n");
}

static void lap(uint64_t us) {
  edgecnn_print("m-lap-us-");
  edgecnn_print_long(us);
  edgecnn_print("\r\n");
}

/* A decimal number; returns 0 where the word is none or does not fit. */
static int number_of(const char *word, uint32_t *number) {
  uint64_t value = 0u;
  if (*word == '\0') {
    return 0;
  }
  for (; *word != '\0'; ++word) {
    if (*word < '0' || *word > '9') {
      return 0;
    }
    value = value * 10u + (uint32_t)(*word - '0');
    if (value >> 32 != 0u) {
      return 0;
    }
  }
  *number = (uint32_t)value;
  return 1;
}

static int same(const char *a, const char *b) {
  while (*a != '\0' && *a == *b) {
    ++a;
    ++b;
  }
  return *a == *b;
}

/* The commands. */

static void do_name(char **words) {
  (void)words;
  bracket("m-name-dut-[edgecnn ", edgecnn_model.board);
}

static void do_profile(char **words) {
  (void)words;
  bracket("m-profile-[", edgecnn_model.firmware);
  bracket("m-model-[", edgecnn_model.model_id);
}

static void do_timestamp(char **words) {
  (void)words;
  lap(edgecnn_time_us());
}

static void do_help(char **words) {
  (void)words;
  edgecnn_print("name profile timestamp results help\r\ndb load N | db HEX | db print\r\n"
                "infer [N [W]]: N timed inferences after W others\r\n"
                "start stop print_detections\r\n");
}

static void db_load(const char *word) {
  uint32_t size = 0u;
  if (*word == '\0') {
    error("Command 'db load' requires the # of bytes");
  } else if (!number_of(word, &size) || size == 0u) {
    error("Command 'db load' must be >0 bytes");
  } else if (size > edgecnn_model.db_bytes) {
    line_with("e-[Supplied buffer size ", size, " exceeds maximum of ");
    line_with("", edgecnn_model.db_bytes, "]\r\n");
  } else {
    state.db_expected = size;
    state.db_count = 0u;
    line_with("m-[Expecting ", size, " bytes]\r\n");
  }
}

static void do_db(char **words) {
  if (same(words[1], "load")) {
    db_load(words[2]);
  } else if (same(words[1], "print")) {
    state.activity = DB_PRINT;
    state.place = 0u;
  } else if (*words[1] == '\0') {
    error("Command 'db' requires a subcommand");
  } else {
    edgecnn_print("e-[Invalid hex digit '");
    edgecnn_print_safely(words[1], words[1][1] != '\0' ? 2u : 1u);
    edgecnn_print("']\r\n");
  }
}

static int db_is_complete(void) {
  if (state.db_count == edgecnn_model.db_bytes) {
    return 1;
  }
  line_with("e-[Input db has ", state.db_count, " bytes, expected ");
  line_with("", edgecnn_model.db_bytes, "]\r\n");
  return 0;
}

static void begin_timed(void) {
  line_with("m-warmup-done\r\nm-infer-start-", state.runs, "\r\n");
  edgecnn_line_flush();
  state.activity = TIMED;
  state.start_us = edgecnn_time_us();
  edgecnn_run_start(EDGECNN_HOLDS_DB, state.runs, 0, 0);
}

static void do_infer(char **words) {
  uint32_t runs = DEFAULT_RUNS, warm_ups = DEFAULT_WARM_UPS;
  if (*words[1] != '\0' && (!number_of(words[1], &runs) || runs == 0u)) {
    error("Inference iterations must be >0");
  } else if (*words[2] != '\0' && !number_of(words[2], &warm_ups)) {
    error("Inference warmup must be >=0");
  } else if (db_is_complete()) {
    line_with("m-warmup-start-", warm_ups, "\r\n");
    state.runs = runs;
    if (warm_ups == 0u) {
      begin_timed();
      return;
    }
    state.activity = WARM_UP;
    edgecnn_run_start(EDGECNN_HOLDS_DB, warm_ups, 0, 0);
  }
}

static void do_results(char **words) {
  (void)words;
  if (edgecnn_running.state != EDGECNN_RUN_DONE) {
    error("No results: 'infer' comes first");
    return;
  }
  state.activity = RESULTS;
  state.place = 0u;
}

static void do_start(char **words) {
  (void)words;
  edgecnn_stream_start();
}

static void do_stop(char **words) {
  (void)words;
  edgecnn_stream_stop();
}

static void do_print_detections(char **words) {
  (void)words;
  edgecnn_stream_print_detections();
}

typedef struct {
  const char *name;
  void (*run)(char **words);
} text_command;

static const text_command commands[] = {
    {"name", do_name},         {"profile", do_profile},
    {"timestamp", do_timestamp}, {"help", do_help},
    {"db", do_db},             {"infer", do_infer},
    {"results", do_results},   {"start", do_start},
    {"stop", do_stop},         {"print_detections", do_print_detections},
};

static const text_command *command_called(const char *name) {
  uint32_t i;
  for (i = 0u; i < sizeof commands / sizeof commands[0]; ++i) {
    if (same(commands[i].name, name)) {
      return &commands[i];
    }
  }
  return 0;
}

/* A command has come to its end. */

static void split(char **words) {
  char *at = state.line;
  uint32_t i;
  state.line[state.length] = '\0';
  for (i = 0u; i < WORDS; ++i) {
    while (*at == ' ') {
      ++at;
    }
    words[i] = at;
    while (*at != ' ' && *at != '\0') {
      ++at;
    }
    if (*at == ' ') {
      *at++ = '\0';
    }
  }
}

static void end_digits(void) {
  if (state.db_expected == 0u) {
    error("Command 'db' with digits requires 'db load' before");
  } else if (state.bad[0] != 0u) {
    edgecnn_print("e-[Invalid hex digit '");
    edgecnn_print_safely((const char *)state.bad, 2u);
    edgecnn_print("']\r\n");
  } else if ((state.digits & 1u) != 0u) {
    error("Insufficent number of hex digits"); /* spelt as the reference firmware does */
  } else if (state.db_count < state.db_expected) {
    const uint32_t more = state.digits / 2u, room = state.db_expected - state.db_count;
    state.db_count += more < room ? more : room;
    if (state.db_count == state.db_expected) {
      edgecnn_print("m-load-done\r\n");
      if (edgecnn_stream_is_on() && db_is_complete()) {
        state.activity = STREAMED;
        edgecnn_run_start(EDGECNN_HOLDS_DB, 1u, 0, 1);
      }
    }
  }
}

static void take_over(void) {
  edgecnn_requests_close();
  edgecnn_text_stop();
}

static void carry_out(void) {
  char *words[WORDS];
  const text_command *found;
  if (state.damaged || state.too_long) {
    edgecnn_text_stop();
    error(state.damaged ? "Bytes of the command were lost or damaged" : "Command too long");
    return;
  }
  if (state.hex) {
    take_over();
    end_digits();
    return;
  }
  split(words);
  found = command_called(words[0]);
  if (found != 0) {
    take_over();
    found->run(words);
    return;
  }
  edgecnn_text_stop();
  if (*words[0] != '\0') {
    uint32_t length = 0u;
    while (words[0][length] != '\0') {
      ++length;
    }
    edgecnn_print("e-[Unknown command: ");
    edgecnn_print_safely(words[0], length);
    edgecnn_print("]\r\n");
  }
}

/* Bytes. */

void edgecnn_text_discard(void) {
  state.length = 0u;
  state.damaged = 0u;
  state.too_long = 0u;
  state.hex = 0u;
}

void edgecnn_text_damaged(void) { state.damaged = 1u; }

static void take_digit(uint8_t digit) {
  const uint32_t at = state.db_count + state.digits / 2u;
  const int low = hex_value(digit), high = hex_value(state.high);
  if ((state.digits++ & 1u) == 0u) {
    state.high = digit;
    return;
  }
  if (low < 0 || high < 0) {
    if (state.bad[0] == 0u) {
      state.bad[0] = state.high;
      state.bad[1] = digit;
    }
  } else if (at < state.db_expected) {
    edgecnn_kept()[at] = (uint8_t)(high << 4 | low);
  }
}

static int digits_begin(void) {
  return state.length == 4u && state.line[0] == 'd' && state.line[1] == 'b' &&
         state.line[2] == ' ' && hex_value((uint8_t)state.line[3]) >= 0;
}

void edgecnn_text_byte(uint8_t byte) {
  if (byte == '%') {
    carry_out();
    edgecnn_text_discard();
    if (state.activity == NOTHING) {
      ready();
    }
  } else if (byte == '\r' || byte == '\n' || byte == '\0') {
    return; /* terminals send them */
  } else if (byte < 0x20u || byte > 0x7Eu) {
    state.damaged = 1u;
  } else if (state.hex) {
    take_digit(byte);
  } else if (state.length == LINE_BYTES) {
    state.too_long = 1u;
  } else {
    state.line[state.length++] = (char)byte;
    if (digits_begin()) {
      state.hex = 1u;
      state.digits = 0u;
      state.bad[0] = 0u;
      take_digit(byte);
    }
  }
}

/* Turns. */

void edgecnn_text_stop(void) {
  if (state.activity == WARM_UP || state.activity == TIMED || state.activity == STREAMED) {
    edgecnn_run_stop();
  }
  state.activity = NOTHING;
}

void edgecnn_text_forget_db(void) {
  state.db_expected = 0u;
  state.db_count = 0u;
}

static void end_activity(void) {
  state.activity = NOTHING;
  ready();
}

static void results_turn(void) {
  const uint32_t count = edgecnn_result_count(), end = state.place + BYTES_A_LINE;
  if (state.place == 0u) {
    edgecnn_print("m-results-[");
  }
  for (; state.place < count && state.place < end; ++state.place) {
    edgecnn_print(state.place != 0u ? "," : "");
    edgecnn_print_real(edgecnn_result(state.place));
  }
  if (state.place == count) {
    edgecnn_print("]\r\n");
    end_activity();
  }
}

static void db_print_turn(void) {
  uint32_t i;
  if (state.place < state.db_count) {
    edgecnn_print("m-buffer");
    for (i = 0u; i < BYTES_A_LINE && state.place < state.db_count; ++i, ++state.place) {
      edgecnn_print("-");
      edgecnn_print_hex(edgecnn_kept()[state.place]);
    }
    edgecnn_print("\r\n");
  }
  if (state.place >= state.db_count) {
    end_activity();
  }
}

static void run_has_ended(void) {
  if (edgecnn_running.state == EDGECNN_RUN_FAILED) {
    error("The model failed");
    end_activity();
  } else if (state.activity == WARM_UP) {
    begin_timed();
  } else if (state.activity == TIMED) {
    const uint64_t end_us = edgecnn_time_us();
    lap(state.start_us); /* printed only now: at 9600 baud a line takes 20 ms */
    lap(end_us);
    edgecnn_print("m-infer-done\r\n");
    state.activity = RESULTS;
    state.place = 0u;
  } else {
    edgecnn_stream_look();
    end_activity();
  }
}

int edgecnn_text_turn(void) {
  switch (state.activity) {
  case NOTHING:
    return 0;
  case RESULTS:
    results_turn();
    return 1;
  case DB_PRINT:
    db_print_turn();
    return 1;
  case WARM_UP:
  case TIMED:
  case STREAMED:
  default:
    if (edgecnn_running.state != EDGECNN_RUN_BUSY) {
      run_has_ended();
    }
    return 1;
  }
}

/* The start. */

const char *edgecnn_reset_name(edgecnn_reset_cause cause) {
  static const char *const names[] = {"unknown", "power", "pin", "software", "watchdog"};
  return names[(uint32_t)cause <= EDGECNN_RESET_WATCHDOG ? (uint32_t)cause : 0u];
}

void edgecnn_text_greet(edgecnn_reset_cause cause, uint32_t hung_step) {
  edgecnn_print("m-timestamp-mode-performance\r\n");
  lap(edgecnn_time_us());
  bracket("m-reset-[", edgecnn_reset_name(cause));
  if (hung_step != EDGECNN_NO_STEP) {
    line_with("e-[Step ", hung_step, " of the model did not end]\r\n");
  }
  edgecnn_print("m-init-done\r\n");
  ready();
  edgecnn_line_flush();
}
