package main

// labelWords is what is wrong with s as a DNS label of RFC 1035, "" when nothing is.
func labelWords(s string) string {
	return ""
}
