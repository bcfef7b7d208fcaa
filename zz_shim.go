package main

import "net/http"

func (p *program) certificateChanged(certEvent) {}

type adminOptions struct{}

func (*adminOptions) register(*flags)         {}
func (*adminOptions) check(*problems)         {}
func (p *program) adminHandler() http.Handler { return http.NotFoundHandler() }
