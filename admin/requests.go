package admin

// Recorder shows requests that have ended.
type Recorder interface{}
