// Precompiled for every test executable with -Dpch=all. See src/pch/all.hpp.
#pragma once

#include "pch/all.hpp"
#include "support/frame_peer.hpp"
#include "support/memory_exchange.hpp"
#include "support/on_io.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
