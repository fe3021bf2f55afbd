"""The Pusher: puts a model where it is served, if the bytes it copied are the ones judged."""
