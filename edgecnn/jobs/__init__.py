"""Each verb as a plain function: typed request in, plain result out; joins the rooms."""
