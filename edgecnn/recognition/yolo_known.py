"""What the publishers of YOLO-like detectors say: anchors, thresholds, how images are prepared."""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn.recognition.found import InputHabit

Anchors = tuple[tuple[float, float], ...]

#: models/yolov5*.yaml of ultralytics/yolov5; the same numbers as yolov3.cfg of darknet, and as
#: yolov7-tiny.yaml.
P5: tuple[Anchors, ...] = (
    ((10, 13), (16, 30), (33, 23)),
    ((30, 61), (62, 45), (59, 119)),
    ((116, 90), (156, 198), (373, 326)),
)
#: yolov7.yaml of WongKinYiu/yolov7; the same numbers as yolov4.cfg of darknet.
V7: tuple[Anchors, ...] = (
    ((12, 16), (19, 36), (40, 28)),
    ((36, 75), (76, 55), (72, 146)),
    ((142, 110), (192, 243), (459, 401)),
)
#: models/hub/yolov5*6.yaml of ultralytics/yolov5, and yolov7-w6.yaml.
P6: tuple[Anchors, ...] = (
    ((19, 27), (44, 40), (38, 94)),
    ((96, 68), (86, 152), (180, 137)),
    ((140, 301), (303, 264), (238, 542)),
    ((436, 615), (739, 380), (925, 792)),
)
_TINY_COARSE: Anchors = ((81, 82), (135, 169), (344, 319))
#: yolov3-tiny.cfg (masks 0, 1, 2 and 3, 4, 5) and yolov4-tiny.cfg (masks 1, 2, 3 and 3, 4, 5).
V3_TINY: tuple[Anchors, ...] = (((10, 14), (23, 27), (37, 58)), _TINY_COARSE)
V4_TINY: tuple[Anchors, ...] = (((23, 27), (37, 58), (81, 82)), _TINY_COARSE)

#: In cells: yolov2.cfg and yolov2-tiny.cfg (COCO), yolov2-voc.cfg, yolov2-tiny-voc.cfg of darknet.
V2_COCO: Anchors = (
    (0.57273, 0.677385), (1.87446, 2.06253), (3.33843, 5.47434), (7.88282, 3.52778),
    (9.77052, 9.16828),
)  # fmt: skip
V2_VOC: Anchors = (
    (1.3221, 1.73145), (3.19275, 4.00944), (5.05587, 8.09892), (9.47112, 4.84053),
    (11.2364, 10.0071),
)  # fmt: skip
V2_TINY_VOC: Anchors = (
    (1.08, 1.19), (3.42, 4.41), (6.63, 11.38), (9.42, 5.11), (16.62, 10.52),
)  # fmt: skip
#: As shares of the input: the default of STMicroelectronics/stm32ai-modelzoo's parse_config.py,
#: which its person detectors (yolov2t, st_yololcv1) use; and of its st_yoloxn, one a level.
ST_PERSON: Anchors = (
    (0.076023, 0.258508), (0.163031, 0.413531), (0.234769, 0.702585), (0.427054, 0.715892),
    (0.748154, 0.857092),
)  # fmt: skip
ST_YOLOX: Anchors = ((0.5, 0.5),)


#: The face detector yolo-fastest_192_face_v4 in the object detection use case of Arm's
#: ml-embedded-evaluation-kit (usecase.cmake).
FASTEST_FACE: tuple[Anchors, ...] = (
    ((14, 26), (19, 37), (28, 55)),
    ((38, 77), (47, 97), (61, 126)),
)


@dataclass(frozen=True)
class YoloFamily:
    """Defaults of one publisher.

    Attributes:
        habit: how images are prepared.
        score: the lowest score that counts.
        iou: of NMS.
        most: the best so many boxes are reported.
    """

    habit: InputHabit
    score: float
    iou: float
    most: int = 300


#: detect.py of ultralytics/yolov5 (conf 0.25, iou 0.45, max-det 1000); WongKinYiu/yolov7 has the
#: same thresholds.
V5 = YoloFamily(
    InputHabit("ultralytics/yolov5's detect.py", "0..1", "letterbox", 114, "rgb"), 0.25, 0.45, 1000
)
#: cfg/default.yaml of ultralytics/ultralytics (conf 0.25 of predict, iou 0.7, max_det 300).
V8 = YoloFamily(
    InputHabit("ultralytics' predictor", "0..1", "letterbox", 114, "rgb"), 0.25, 0.7
)  # fmt: skip
#: detect.py of hunglc007/tensorflow-yolov4-tflite: a plain resize.
V4 = YoloFamily(
    InputHabit("hunglc007/tensorflow-yolov4-tflite's detect.py", "0..1", "stretch", 0, "rgb"),
    0.25,
    0.45,
)
#: darknet's letterbox_image fills with 0.5.
DARKNET = YoloFamily(InputHabit("darknet", "0..1", "letterbox", 127, "rgb"), 0.25, 0.45)
#: data_augment.py (preproc) and demo/ONNXRuntime of Megvii-BaseDetection/YOLOX.
YOLOX = YoloFamily(
    InputHabit(
        "YOLOX's preproc (which pads at the right and below; here on both sides, and boxes are"
        " mapped back all the same)",
        "0..255",
        "letterbox",
        114,
        "bgr",
    ),
    0.3,
    0.45,
)
#: config/*.yml of RangiLyu/nanodet: keep_ratio false, mean and spread of ImageNet in BGR;
#: demo.py shows scores from 0.35.
NANODET = YoloFamily(
    InputHabit("NanoDet's configs", "imagenet", "stretch", 0, "bgr"), 0.35, 0.6, 100
)
#: configs/picodet of PaddlePaddle/PaddleDetection, deploy/python's PicoDetPostProcess.
PICODET = YoloFamily(
    InputHabit("PaddleDetection's PicoDet", "imagenet", "stretch", 0, "rgb"), 0.4, 0.5, 100
)
#: The configs beside the models of STMicroelectronics/stm32ai-modelzoo ("fit", 1/127.5 and -1) and
#: its config_file_examples (thresholds).
ST = YoloFamily(InputHabit("ST's model zoo", "-1..1", "stretch", 0, "rgb"), 0.5, 0.5, 100)
#: _shared/yolo of quic/ai-hub-models: its evaluator's thresholds.
AI_HUB = YoloFamily(
    InputHabit("Qualcomm AI Hub Models", "0..1", "letterbox", 114, "rgb"), 0.25, 0.7
)  # fmt: skip
#: DetectorPostProcessing of Arm's ml-embedded-evaluation-kit.
ARM = YoloFamily(
    InputHabit("Arm's ml-embedded-evaluation-kit", "0..255", "stretch", 0), 0.5, 0.45, 100
)
#: el_algorithm_yolo of Seeed-Studio/SSCMA-Micro: thresholds 50 and 45 of 100.
SEEED = YoloFamily(InputHabit("Seeed's SSCMA-Micro", "0..1", "stretch", 0, "rgb"), 0.5, 0.45, 100)
