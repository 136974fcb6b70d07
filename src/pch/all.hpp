// Precompiled with -Dpch=all, for a build from nothing: our own headers too.
// Whoever edits headers is better off without: every file would be compiled again.
#pragma once

#include "admin/admin_handler.hpp"
#include "client/connect_tunnel.hpp"
#include "client/resuming_body.hpp"
#include "client/url_fetcher.hpp"
#include "config/load.hpp"
#include "endpoints/batch_run.hpp"
#include "endpoints/chunk_feed.hpp"
#include "endpoints/parameters.hpp"
#include "h1/server_connection.hpp"
#include "h2/server_connection.hpp"
#include "http/url.hpp"
#include "net/tls_server.hpp"
#include "pch/std.hpp"
#include "process/supervisor.hpp"
#include "proxy/reverse_proxy.hpp"
#include "server/connections.hpp"
