package main

type adminAccessOptions struct{}

func (o *adminAccessOptions) register(*flags) {}

func (o *adminAccessOptions) check(*problems) {}
