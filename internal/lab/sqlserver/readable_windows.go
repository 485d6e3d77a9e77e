package sqlserver

func (s *Server) readable(string) bool { return true }
