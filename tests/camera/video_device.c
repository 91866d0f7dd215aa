/* A stand-in for the kernel's video devices, loaded in front of libc (LD_PRELOAD): OpenCV's own V4L2
 * code and ours talk to it as to a camera. What it is, the environment says:
 *
 *   VIDEO_MODES   "MJPG 640x480 30, MJPG 1280x720 30, YUYV 640x480 30": the first is the default
 *   VIDEO_FRAMES  a folder with what the camera sends in each mode: FORMAT_WIDTHxHEIGHT, or, ten of
 *                 them in turn, FORMAT_WIDTHxHEIGHT.0 to .9
 *   VIDEO_GONE    a file: while it is there the camera is unplugged
 *   VIDEO_BUSY    1: another program takes pictures from it
 *   VIDEO_LOG     a file that gets a line for each start: rate and number of buffers
 *
 * /dev/video0 gives pictures, /dev/video1 metadata, /dev/video2 needs the media controller,
 * /dev/video3 must not be opened. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

enum { DEVICES = 4, FILES = 1024, BUFFERS = 8, MODES = 16, BYTES = 4 << 20 };

struct mode {
    unsigned format, width, height, rate;
};

static int node_of[FILES]; /* 1 + the node's number; 0: no device of ours */
static struct mode modes[MODES], now;
static int mode_count, buffers, queued[BUFFERS], head, waiting, streaming;
static unsigned rate, sent;
static unsigned char *memory[BUFFERS];

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

static void note_start(void)
{
    const char *path = getenv("VIDEO_LOG");
    FILE *log = path ? fopen(path, "a") : NULL;
    if (log) {
        fprintf(log, "%u frames/s, %d buffers\n", rate, buffers);
        fclose(log);
    }
}

static void read_modes(void)
{
    char text[512], *part, *rest = text, name[8];
    const char *given = getenv("VIDEO_MODES");
    if (mode_count || !given)
        return;
    snprintf(text, sizeof text, "%s", given);
    while ((part = strsep(&rest, ",")) && mode_count < MODES) {
        struct mode *m = &modes[mode_count];
        if (sscanf(part, " %4s %ux%u %u", name, &m->width, &m->height, &m->rate) == 4) {
            m->format = v4l2_fourcc(name[0], name[1], name[2], name[3]);
            mode_count++;
        }
    }
    now = modes[0];
    rate = now.rate;
}

static int is_gone(void)
{
    const char *path = getenv("VIDEO_GONE");
    return path && !access(path, F_OK);
}

static int open_node(const char *path)
{
    int file, number = path[10] - '0';
    if (path[11] || number < 0 || number >= DEVICES || is_gone()) {
        errno = ENOENT;
        return -1;
    }
    if (number == 3) {
        errno = EACCES;
        return -1;
    }
    read_modes();
    file = ((int (*)(const char *, int, ...))real("open64"))("/dev/null", O_RDWR | O_CLOEXEC);
    if (file >= 0 && file < FILES)
        node_of[file] = 1 + number;
    return file;
}

#define OPENER(name)                                                                   \
    int name(const char *path, int flags, ...)                                         \
    {                                                                                  \
        va_list more;                                                                  \
        va_start(more, flags);                                                         \
        int mode = va_arg(more, int);                                                  \
        va_end(more);                                                                  \
        if (!strncmp(path, "/dev/video", 10))                                          \
            return open_node(path);                                                    \
        return ((int (*)(const char *, int, ...))real(#name))(path, flags, mode);      \
    }
OPENER(open)
OPENER(open64)

int close(int file)
{
    if (file >= 0 && file < FILES)
        node_of[file] = 0;
    return ((int (*)(int))real("close"))(file);
}

/* The mode nearest to what is asked: the format first (the first one where it is unknown), then the
 * size. A new mode has its own rate. */
static void choose(unsigned format, unsigned width, unsigned height)
{
    const struct mode *best = NULL;
    for (int pass = 0; pass < 3 && !best; pass++)
        for (int k = 0; k < mode_count && !best; k++) {
            const struct mode *m = &modes[k];
            int right = m->format == format, fits = m->width == width && m->height == height;
            if (pass == 0 ? right && fits : pass == 1 ? right : 1)
                best = m;
        }
    now = *best;
    rate = now.rate;
}

static int answer_format(struct v4l2_format *f, int set)
{
    if (f->type != V4L2_BUF_TYPE_VIDEO_CAPTURE)
        return EINVAL;
    if (set) {
        choose(f->fmt.pix.pixelformat, f->fmt.pix.width, f->fmt.pix.height);
    }
    f->fmt.pix.pixelformat = now.format;
    f->fmt.pix.width = now.width;
    f->fmt.pix.height = now.height;
    f->fmt.pix.field = V4L2_FIELD_NONE;
    f->fmt.pix.bytesperline = now.format == V4L2_PIX_FMT_MJPEG ? 0 : now.width * 2;
    f->fmt.pix.sizeimage = BYTES;
    return 0;
}

static int answer_rate(struct v4l2_streamparm *p, int set)
{
    struct v4l2_fract *span = &p->parm.capture.timeperframe;
    if (set && span->numerator) {
        rate = span->denominator / span->numerator;
        rate = rate > now.rate ? now.rate : rate ? rate : 1;
    }
    p->parm.capture.capability = V4L2_CAP_TIMEPERFRAME;
    span->numerator = 1;
    span->denominator = rate;
    return 0;
}

static int fill(unsigned char *to)
{
    char path[512];
    const char *folder = getenv("VIDEO_FRAMES");
    int length = snprintf(path, sizeof path, "%s/%.4s_%ux%u", folder ? folder : ".",
                          (char *)&now.format, now.width, now.height);
    FILE *file = fopen(path, "rb");
    if (!file) {
        snprintf(path + length, sizeof path - (size_t)length, ".%u", sent++ % 10);
        file = fopen(path, "rb");
    }
    int size = file ? (int)fread(to, 1, BYTES, file) : 0;
    if (file)
        fclose(file);
    return size;
}

static int answer_buffer(struct v4l2_buffer *b, unsigned long request)
{
    if (request == VIDIOC_DQBUF) {
        if (is_gone())
            return ENODEV;
        if (!waiting || !streaming)
            return EAGAIN;
        b->index = (unsigned)queued[head];
        head = (head + 1) % BUFFERS;
        waiting--;
        b->bytesused = (unsigned)fill(memory[b->index]);
        nanosleep(&(struct timespec){0, 2000000}, NULL);
    } else if (b->index >= (unsigned)buffers) {
        return EINVAL;
    } else if (request == VIDIOC_QBUF) {
        queued[(head + waiting++) % BUFFERS] = (int)b->index;
    }
    b->length = BYTES;
    b->m.offset = b->index * BYTES;
    b->memory = V4L2_MEMORY_MMAP;
    return 0;
}

static int answer(int number, unsigned long request, void *data)
{
    int busy = getenv("VIDEO_BUSY") != NULL;
    if (request == VIDIOC_QUERYCAP) {
        struct v4l2_capability *c = data;
        memset(c, 0, sizeof *c);
        strcpy((char *)c->driver, "uvcvideo");
        strcpy((char *)c->card, "Stand-in C920");
        c->device_caps = V4L2_CAP_STREAMING |
            (number == 1 ? V4L2_CAP_META_CAPTURE : V4L2_CAP_VIDEO_CAPTURE) |
            (number == 2 ? V4L2_CAP_IO_MC : 0);
        c->capabilities = V4L2_CAP_DEVICE_CAPS | V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_META_CAPTURE |
            V4L2_CAP_STREAMING;
        return 0;
    }
    if (request == VIDIOC_ENUM_FMT) {
        struct v4l2_fmtdesc *d = data;
        unsigned seen = 0;
        for (int k = 0; k < mode_count; k++)
            if ((!k || modes[k].format != modes[k - 1].format) && seen++ == d->index) {
                d->pixelformat = modes[k].format;
                return 0;
            }
        return EINVAL;
    }
    if (busy && (request == VIDIOC_S_FMT || request == VIDIOC_REQBUFS || request == VIDIOC_S_PARM))
        return EBUSY;
    switch (request) {
    case VIDIOC_G_FMT:
    case VIDIOC_S_FMT:
        return answer_format(data, request == VIDIOC_S_FMT);
    case VIDIOC_G_PARM:
    case VIDIOC_S_PARM:
        return answer_rate(data, request == VIDIOC_S_PARM);
    case VIDIOC_REQBUFS: {
        struct v4l2_requestbuffers *r = data;
        buffers = r->count > BUFFERS ? BUFFERS : (int)r->count;
        r->count = (unsigned)buffers;
        head = waiting = 0;
        return 0;
    }
    case VIDIOC_QUERYBUF:
    case VIDIOC_QBUF:
    case VIDIOC_DQBUF:
        return answer_buffer(data, request);
    case VIDIOC_STREAMON:
    case VIDIOC_STREAMOFF:
        streaming = request == VIDIOC_STREAMON;
        if (streaming)
            note_start();
        return 0;
    default:
        return EINVAL;
    }
}

int ioctl(int file, unsigned long request, ...)
{
    va_list more;
    va_start(more, request);
    void *data = va_arg(more, void *);
    va_end(more);
    if (file < 0 || file >= FILES || !node_of[file])
        return ((int (*)(int, unsigned long, ...))real("ioctl"))(file, request, data);
    /* Python hands the request over as a signed number. */
    int error = answer(node_of[file] - 1, request & 0xffffffff, data);
    errno = error;
    return error ? -1 : 0;
}

static void *map(long offset)
{
    int k = (int)(offset / BYTES);
    if (!memory[k])
        memory[k] = malloc(BYTES);
    return memory[k];
}

#define MAPPER(name)                                                                           \
    void *name(void *at, size_t size, int protection, int flags, int file, off_t offset)       \
    {                                                                                          \
        if (file >= 0 && file < FILES && node_of[file])                                        \
            return map((long)offset);                                                    \
        return ((void *(*)(void *, size_t, int, int, int, off_t))real(#name))(                 \
            at, size, protection, flags, file, offset);                                        \
    }
MAPPER(mmap)
MAPPER(mmap64)

int munmap(void *at, size_t size)
{
    for (int k = 0; k < BUFFERS; k++)
        if (at == memory[k] && at)
            return 0;
    return ((int (*)(void *, size_t))real("munmap"))(at, size);
}
