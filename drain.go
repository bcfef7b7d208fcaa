package main

// drainControl is the reversible drain.
type drainControl struct{ control }
