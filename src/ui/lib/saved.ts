// A run that was begun and can be taken up again.

