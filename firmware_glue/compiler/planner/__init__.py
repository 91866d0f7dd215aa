"""Graph → Program of steps → offsets in memory, checked by an independent verifier.

``schedule`` orders the steps (``order``, ``reorder``), leaves out joins and splits whose parts lie
inside their whole (``inline``) and gives every tensor a buffer with a life: from the step that
writes it to the last one that reads it. Inputs die after their last use, so that later tensors,
outputs too, may lie over them; outputs live to the end. Views share the buffer of what they show.

``plan_memory`` distributes buffers over the regions of a target (``regions``) and lays out each
(``layout``: starting orders from ``starts``, first fit from ``fit``, against the bound of
``bound``). A step may write over an input that dies in it, as far as its kernel allows: from the
front with the output a little lower, or from the back with it a little higher.

``check_plan`` replays the result, and ``memory_timeline`` tells it step by step.
"""
