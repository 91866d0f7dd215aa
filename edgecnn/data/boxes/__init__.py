"""Images with boxes: readers and writers of the usual forms, and the data set made of them."""
