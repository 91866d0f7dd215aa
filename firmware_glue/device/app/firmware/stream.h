/* SPDX-License-Identifier: Apache-2.0 */
/* Between the commands start and stop every complete input is inferred, and detections are noted. */
#ifndef EDGECNN_STREAM_H
#define EDGECNN_STREAM_H

void edgecnn_stream_start(void);
void edgecnn_stream_stop(void);
int edgecnn_stream_is_on(void);
/* Notes a detection, if the last inference made one. */
void edgecnn_stream_look(void);
void edgecnn_stream_print_detections(void);

#endif
