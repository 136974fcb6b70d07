// Precompiled for every test executable. See src/pch/std.hpp.
#pragma once

#include "pch/std.hpp"

#include <gtest/gtest.h>
