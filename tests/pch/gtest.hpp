// Precompiled for every test executable. See src/pch/std.hpp.
#pragma once

#include <gtest/gtest.h>

#include "pch/std.hpp"
