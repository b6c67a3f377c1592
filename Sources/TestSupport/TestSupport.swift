// TestSupport: what tests share.
