package admin

// DrainControl is the reversible drain.
type DrainControl interface{}
