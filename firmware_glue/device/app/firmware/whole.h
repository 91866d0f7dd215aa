/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps a struct of one file in one piece. Clang would make variables of its fields, and code that
 * loads the address of each: 4 % more of it on a Cortex-M0. */
#ifndef EDGECNN_WHOLE_H
#define EDGECNN_WHOLE_H

#define EDGECNN_WHOLE __attribute__((used))

#endif
