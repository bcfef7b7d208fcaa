package admin

// Streamer gives events as they happen.
type Streamer interface{}
