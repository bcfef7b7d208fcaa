//go:build race

package main

// raceFactor is how much longer what is bound in time may take: the race detector makes
// memory accesses some five to ten times slower (go.dev/doc/articles/race_detector).
const raceFactor = 8
