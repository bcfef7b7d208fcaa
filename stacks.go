package main

type stackOptions struct{}

func (o *stackOptions) register(*flags) {}

func (o *stackOptions) check(*problems) {}
