"""An RTSP server with a moving picture; run by the system's Python, which has GStreamer.

    /usr/bin/python3 rtsp_server.py PORT ENCODER

It prints the port when it is ready. PORT 0 takes a free one.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

ENCODERS = {
    "jpeg": "jpegenc ! rtpjpegpay name=pay0 pt=26",
    "h264": "x264enc tune=zerolatency key-int-max=15 ! rtph264pay name=pay0 pt=96",
}


def main() -> None:
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(sys.argv[1])
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(
        "( videotestsrc is-live=true pattern=ball"
        " ! video/x-raw,format=I420,width=160,height=120,framerate=30/1 ! "
        + ENCODERS[sys.argv[2]]
        + " )"
    )
    factory.set_shared(True)
    server.get_mount_points().add_factory("/live", factory)
    if not server.attach(None):
        sys.exit("the port is in use")
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
