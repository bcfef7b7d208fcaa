package controller

// What the tests outside of the package want of its inside.

var LoadFixtures = loadFixtures

// Hold keeps a Restorer as busy as a change does, until release is called.
func (r *Restorer) Hold() (release func()) {
	r.busy.Lock()
	return r.busy.Unlock
}
