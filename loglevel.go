package main

// logLevelControl is the verbosity of the log, for all or for some.
type logLevelControl struct{ control }
